//! Async calls leave no thread behind, and there is one that waits at the most.
//!
//! A test program of its own, because it counts the threads of its process.
#![cfg(all(feature = "gpu", target_os = "linux"))]

mod adapters;

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use adapters::{bits, subjects};
use wgpu_dropout::{Context, Dropout, Key, reference};

/// The library's own threads, by their name.
fn waiting_threads() -> usize {
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(Result::unwrap);
    tasks.filter(|task| task.path().exists()).map(name).filter(|name| name.trim() == "wgpu-dropout").count()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn a_hundred_and_sixty_calls_leave_no_thread() {
    for subject in subjects() {
        let context = pollster::block_on(Context::from_adapter(&subject.adapter)).unwrap();
        let x: Vec<f32> = (0..4096).map(|i| i as f32).collect();
        let mask = |step| Dropout::new(0.5).unwrap().mask(Key::new(1).with_step(step));
        // The driver starts its own threads with the first work.
        context.forward_blocking(&mask(0), &x).unwrap();
        let before = threads();
        let mut most = 0;
        thread::scope(|scope| {
            let callers: Vec<_> = (0..8)
                .map(|caller| {
                    let (context, x) = (&context, &x);
                    scope.spawn(move || {
                        let mut most = 0;
                        for call in 0..20 {
                            let mask = mask(caller * 100 + call);
                            let y = pollster::block_on(context.forward(&mask, x)).unwrap();
                            assert_eq!(bits(&y), bits(&reference::forward(&mask, x).unwrap()));
                            most = most.max(waiting_threads());
                        }
                        most
                    })
                })
                .collect();
            most = callers.into_iter().map(|caller| caller.join().unwrap()).max().unwrap();
        });
        // One that waits, and perhaps one that is just ending.
        assert!(most <= 2, "{}: {most} threads waited at once", subject.name);
        let patience = Instant::now() + Duration::from_secs(1);
        while waiting_threads() > 0 && Instant::now() < patience {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(waiting_threads(), 0, "{}", subject.name);
        assert!(threads() <= before, "{}: {before} → {} threads", subject.name, threads());
    }
}

/// A future that is dropped takes nothing with it.
#[test]
fn dropped_futures() {
    for subject in subjects() {
        let context = pollster::block_on(Context::from_adapter(&subject.adapter)).unwrap();
        let mask = Dropout::new(0.5).unwrap().mask(Key::new(1));
        for _ in 0..20 {
            let mut future = std::pin::pin!(context.forward(&mask, &[1.0_f32; 4096]));
            let mut waker = std::task::Context::from_waker(std::task::Waker::noop());
            let _ = future.as_mut().poll(&mut waker);
        }
        let y = pollster::block_on(context.forward(&mask, &[1.0_f32; 4096])).unwrap();
        assert_eq!(y, reference::forward(&mask, &[1.0_f32; 4096]).unwrap());
    }
}
