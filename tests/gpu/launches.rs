//! Launches as data: what a plan says is what runs, whoever runs it.

use wgpu_dropout::{
    Dropout, Dtype, Key, MaskFormat, Operation, View,
    kernels::{KeyPlace, Operand, Operands, Plan, Schedule, Style, Target},
};

const N: u64 = 1 << 20;

/// How many of the elements the kernel for ends handles.
fn by_edge_kernels(target: &Target, operands: &Operands, operation: &Operation) -> u64 {
    let plan = Plan::new(target, operands).unwrap();
    let launches = plan.launches(operation, KeyPlace::Parameters).unwrap();
    let edges = launches.iter().filter(|launch| launch.kernel().to_string().contains("edge"));
    // The first word of the parameters counts elements.
    edges.map(|launch| u64::from(u32::from_le_bytes(launch.parameters()[..4].try_into().unwrap()))).sum()
}

/// Wherever ranges begin, hardly an element goes through the kernel that is for ends.
#[test]
fn ranges_at_any_offset_have_a_fast_kernel() {
    for &schedule in Schedule::ALL {
        let target = Target::new(schedule);
        for &dtype in Dtype::ALL {
            for start in 0..40 {
                let forward = Operation::Forward(Dropout::new(0.5).unwrap().mask(Key::new(1)).at(start));
                for (input, output, one_buffer) in [
                    (0, 0, false),
                    (1, 0, false),
                    (0, 1, false),
                    (3, 1, false),
                    (1, 1, false),
                    (5, 5, true),
                    (2, 3, false),
                ] {
                    let range = |buffer, at| Operand::new(buffer, at * dtype.size(), N * dtype.size());
                    let (input, output) = (range(0, input), range(u32::from(!one_buffer), output));
                    let operands = Operands::values(dtype, input, output).unwrap();
                    let edges = by_edge_kernels(&target, &operands, &forward);
                    assert!(edges < 4200, "{schedule:?} {dtype} start {start} {operands:?}: {edges}");
                }
            }
        }
    }
}

/// Aligned ranges of whole groups need one launch.
#[test]
fn whole_groups_need_one_launch() {
    let target = Target::new(Schedule::Groups);
    for n in [8, 256, 1000, N] {
        let range = |buffer| Operand::new(buffer, 0, n * 4);
        let plan = Plan::new(&target, &Operands::values(Dtype::F32, range(0), range(1)).unwrap()).unwrap();
        let mask = Dropout::new(0.1).unwrap().mask(Key::new(1));
        assert_eq!(plan.launches(&Operation::Forward(mask), KeyPlace::Parameters).unwrap().len(), 1, "{n}");
    }
}

/// Every element is launched once, in chunks too, whatever the limits.
#[test]
fn launches_cover_everything() {
    for &schedule in Schedule::ALL {
        for (binding, alignment, workgroups) in [(8192, 256, 3), (1 << 16, 2048, 65_535), (1 << 27, 32, 2)] {
            let mut target = Target::new(schedule).with_style(Style::ONE_GROUP);
            (target.max_binding_size, target.binding_alignment) = (binding, alignment);
            target.max_workgroups_per_dimension = workgroups;
            let view = View::rows((1 << 35) - 1000, 77, 1000);
            for mask in [0, 5].map(|start| Dropout::new(0.1).unwrap().mask(Key::new(1)).at(start)) {
                for mask in [mask, mask.at(view)] {
                    let n = 100_003;
                    let bits = Operand::new(0, 4, MaskFormat::Bits.size(n));
                    let values = |dtype: Dtype| {
                        let range = |at| Operand::new(0, at * dtype.size(), n * dtype.size());
                        (Operands::values(dtype, range(3), range(n + 7)).unwrap(), Operation::Forward(mask))
                    };
                    let bits = (Operands::mask(MaskFormat::Bits, n, bits).unwrap(), Operation::KeepMask(mask));
                    for (operands, operation) in [values(Dtype::F32), values(Dtype::F16), bits] {
                        let plan = Plan::new(&target, &operands).unwrap();
                        let launches = plan.launches(&operation, KeyPlace::Parameters).unwrap();
                        let counts =
                            launches.iter().map(|l| u32::from_le_bytes(l.parameters()[..4].try_into().unwrap()));
                        assert_eq!(counts.map(u64::from).sum::<u64>(), n, "{target:?} {operands:?}");
                        for launch in &launches {
                            let most = launch.workgroups().into_iter().max().unwrap();
                            assert!(most <= workgroups && most > 0);
                            for binding in plan.bindings(launch.chunk()) {
                                assert!(binding.size <= target.max_binding_size);
                                assert_eq!(binding.offset % u64::from(alignment), 0);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Odd limits are errors, and not a panic.
#[test]
fn limits_without_room_are_errors() {
    let operands = Operands::values(Dtype::F32, Operand::new(0, 0, 4000), Operand::new(1, 0, 4000)).unwrap();
    for (binding, alignment, size) in
        [(4096, 2048, 64), (0, 256, 64), (1 << 27, 0, 64), (1 << 27, 6, 64), (1 << 27, 256, 0), (1 << 27, 256, 257)]
    {
        let mut target = Target::new(Schedule::Groups);
        (target.max_binding_size, target.binding_alignment, target.workgroup_size) = (binding, alignment, size);
        let error = Plan::new(&target, &operands).unwrap_err().to_string();
        assert!(error.contains("cannot run the kernels"), "{error}");
    }
}
