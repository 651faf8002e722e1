//! Shaders and host agree, proved by naga's reflection: no GPU needed.

use std::{collections::HashSet, fs, mem::offset_of, path::Path};

use naga::{AddressSpace, Module, TypeInner, proc::Layouter, valid::*};

use super::{
    call::{CALL_BYTES, Call},
    pipelines::{Access, DecisionGroup, GivenMask, Kernel, RUN},
    random_blocks::BlockCounter,
};
use crate::{Generator, KEEP_RULE_VERSION, reference, wgsl};

fn parse(source: &str) -> (Module, ModuleInfo) {
    let module =
        naga::front::wgsl::parse_str(source).unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
    let info = Validator::new(ValidationFlags::all(), Capabilities::IMMEDIATES)
        .validate(&module)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
    (module, info)
}

fn kernels() -> impl Iterator<Item = (Kernel, bool)> {
    Kernel::all().into_iter().flat_map(|kernel| [(kernel, true), (kernel, false)])
}

#[test]
fn every_kernel_parses_and_validates() {
    for (kernel, immediates) in kernels() {
        let (module, _) = parse(&kernel.source(immediates));
        assert_eq!(module.entry_points.len(), 1, "{kernel:?}");
        assert_eq!(module.entry_points[0].name, "main");
    }
}

#[test]
fn every_file_is_part_of_a_kernel_and_opens_with_a_comment() {
    let sources: HashSet<String> = kernels().map(|(kernel, immediates)| kernel.source(immediates)).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut files = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("// "), "{}", path.display());
        assert!(sources.iter().any(|source| source.contains(&text)), "{} is used by no kernel", path.display());
        files += 1;
    }
    assert!(files > 10);
}

/// Offsets and size of the members of a WGSL struct.
fn members(module: &Module, name: &str) -> (Vec<(String, u32)>, u32) {
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    let (handle, r#type) = module.types.iter().find(|(_, r#type)| r#type.name.as_deref() == Some(name)).unwrap();
    let TypeInner::Struct { members, .. } = &r#type.inner else { panic!("{name} is no struct") };
    let members = members.iter().map(|member| (member.name.clone().unwrap(), member.offset)).collect();
    (members, layouter[handle].size)
}

macro_rules! assert_layout {
    ($module:expr, $type:ident, $($member:ident),+) => {
        let (actual, size) = members($module, stringify!($type));
        let expected = [$((stringify!($member).to_owned(), offset_of!($type, $member) as u32)),+];
        assert_eq!(actual, expected, stringify!($type));
        assert_eq!(size as usize, size_of::<$type>(), stringify!($type));
    };
}

/// A workgroup shares one word of keep bits for each invocation.
#[test]
fn workgroup_memory_serves_the_largest_workgroup() {
    let mut found = 0;
    for (kernel, immediates) in kernels() {
        let (module, _) = parse(&kernel.source(immediates));
        for (_, variable) in module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::WorkGroup) {
            let TypeInner::Array { size: naga::ArraySize::Constant(size), .. } = module.types[variable.ty].inner else {
                panic!("{kernel:?}: no array of a fixed size")
            };
            assert_eq!(size.get(), super::context::LARGEST_WORKGROUP);
            found += 1;
        }
    }
    assert!(found > 0);
}

#[test]
fn structs_have_the_hosts_layout() {
    use BlockCounter as Question;
    use wgsl::KeepRule;
    for (kernel, immediates) in kernels() {
        let (module, _) = parse(&kernel.source(immediates));
        match kernel {
            Kernel::RandomBlocks { .. } => {
                assert_layout!(&module, Question, seed, stream, group, part, domain);
            }
            _ => {
                assert_layout!(&module, KeepRule, seed, stream, start, threshold, scale);
                assert_layout!(
                    &module,
                    Call,
                    rule,
                    row_pitch,
                    first,
                    length,
                    input_offset,
                    output_offset,
                    row_length,
                    column
                );
            }
        }
    }
    const { assert!(CALL_BYTES <= 64, "parameters fit immediates everywhere") };
}

#[test]
fn bindings_are_the_hosts() {
    for (kernel, immediates) in kernels() {
        let (module, _) = parse(&kernel.source(immediates));
        let mut bindings = vec![];
        let mut decision = vec![];
        let mut has_immediates = false;
        for (_, variable) in module.global_variables.iter() {
            match variable.space {
                AddressSpace::Storage { access } => {
                    let binding = variable.binding.unwrap();
                    let group = if binding.group == 2 { &mut decision } else { &mut bindings };
                    group.push((binding.group, binding.binding, access.contains(naga::StorageAccess::STORE)));
                }
                AddressSpace::Uniform => {
                    let binding = variable.binding.unwrap();
                    assert_eq!((binding.group, binding.binding, immediates), (1, 0, false));
                }
                AddressSpace::Immediate => has_immediates = true,
                AddressSpace::WorkGroup => {}
                other => panic!("{kernel:?}: {other:?}"),
            }
        }
        bindings.sort_unstable();
        let expected: &[_] = match kernel.access() {
            Access::Separate => &[(0, 0, false), (0, 1, true)],
            Access::Shared => &[(0, 0, true)],
            Access::Windows => &[(0, 0, true), (0, 1, true)],
        };
        assert_eq!(bindings, expected, "{kernel:?}");
        let expected: &[_] = match kernel.decision_group() {
            None => &[],
            Some(DecisionGroup::Key | DecisionGroup::Given(GivenMask::Separate)) => &[(2, 0, false)],
            Some(DecisionGroup::Given(GivenMask::Window)) => &[(2, 0, true)],
        };
        assert_eq!(decision, expected, "{kernel:?}");
        assert_eq!(has_immediates, immediates && kernel.has_call(), "{kernel:?}");
    }
}

#[test]
fn constants_are_the_hosts() {
    for (kernel, immediates) in kernels() {
        let (module, _) = parse(&kernel.source(immediates));
        let names: HashSet<_> = module.overrides.iter().map(|(_, o)| o.name.clone().unwrap()).collect();
        let given: HashSet<_> = kernel.constants(64).into_iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, given, "{kernel:?}");
        let constant = |name: &str| {
            let (_, constant) = module.constants.iter().find(|(_, c)| c.name.as_deref() == Some(name))?;
            match module.global_expressions[constant.init] {
                naga::Expression::Literal(naga::Literal::U32(value)) => Some(u64::from(value)),
                ref other => panic!("{name}: {other:?}"),
            }
        };
        let entry = &module.entry_points[0];
        if kernel.has_call() {
            assert_eq!(constant("RUN"), Some(RUN));
            assert_eq!(constant("KEEP_DOMAIN"), Some(u64::from(reference::KEEP_DOMAIN)));
            let size = entry.workgroup_size_overrides.unwrap()[0].unwrap();
            assert!(matches!(module.global_expressions[size], naga::Expression::Override(o)
                if module.overrides[o].name.as_deref() == Some("WORKGROUP_SIZE")));
        } else {
            assert_eq!(entry.workgroup_size, [super::random_blocks::WORKGROUP_SIZE as u32, 1, 1]);
        }
    }
}

#[test]
fn the_public_text_stands_alone_and_names_its_version() {
    for generator in Generator::ALL {
        parse(&wgsl::keep_rule(generator));
    }
    assert!(wgsl::KEEP_RULE.starts_with(&format!("// The keep rule, version {KEEP_RULE_VERSION}:")));
}
