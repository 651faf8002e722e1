use wgpu_dropout::{BlockCounter, Generator, reference};

use crate::{Outcome, Subject, Suite, outcome::Stop};

/// Random123's known answers, that of the C++ standard, and others of the file.
pub async fn known_blocks(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for &generator in Generator::ALL {
        let known: Vec<_> = suite.vectors.blocks.iter().filter(|known| known.generator == generator).collect();
        let counters: Vec<_> =
            known.iter().map(|known| block_counter(generator, &known.counter.words, &known.key.words)).collect();
        let blocks = subject.context().random_blocks(generator, &counters).await?;
        for (n, known) in known.iter().enumerate() {
            let (expected, actual) = (&known.block.words, blocks.get(n).copied().unwrap_or_default());
            outcome.compare(expected[..] == actual, || {
                format!("{generator}, known block {n}: expected {expected:08x?}, actual {actual:08x?}")
            });
        }
    }
    Ok(())
}

/// Words from all over: an error in a carry shows only for some.
pub async fn blocks(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    let word = |n: u32| n.wrapping_mul(0x9e37_79b1) ^ n.wrapping_mul(0x85eb_ca6b).rotate_left(16);
    for &generator in Generator::ALL {
        let counters: Vec<_> = (0..8192)
            .map(|n| {
                let words: [u32; 8] = std::array::from_fn(|i| word(n * 8 + i as u32));
                block_counter(generator, &words[..4], &words[4..])
            })
            .collect();
        let blocks = subject.context().random_blocks(generator, &counters).await?;
        for (n, counter) in counters.iter().enumerate() {
            let (expected, actual) = (block(generator, counter), blocks.get(n).copied().unwrap_or_default());
            outcome.compare(expected == actual, || {
                format!("{generator}, block {n} of {counter:x?}: expected {expected:08x?}, actual {actual:08x?}")
            });
        }
    }
    Ok(())
}

fn block(generator: Generator, counter: &BlockCounter) -> [u32; 4] {
    let long = |[low, high]: [u32; 2]| u64::from(high) << 32 | u64::from(low);
    let key = wgpu_dropout::Key::new(long(counter.seed)).with_stream(long(counter.stream));
    reference::random_block(generator, key, long(counter.group), counter.part, counter.domain)
}

/// Takes apart what the keep rule packs into a generator's words.
fn block_counter(generator: Generator, counter: &[u32], key: &[u32]) -> BlockCounter {
    match generator {
        Generator::Threefry => BlockCounter {
            seed: [key[0], key[1]],
            stream: [key[2], key[3]],
            group: [counter[0], counter[1]],
            part: counter[2],
            domain: counter[3],
        },
        // Philox.
        _ => BlockCounter {
            seed: [key[0], key[1]],
            stream: [counter[2], counter[3]],
            group: [counter[0], counter[1] & 0x00ff_ffff],
            part: counter[1] >> 31,
            domain: counter[1] >> 24 & 0x7f,
        },
    }
}
