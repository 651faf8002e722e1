//! Kernels and host agree, proved by naga's reflection: no GPU needed.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    mem::offset_of,
    path::{Path, PathBuf},
};

use naga::{AddressSpace, Module, TypeInner, proc::Layouter, valid::*};

use super::{
    drop_connect::{Moments, Product, Sampling, Slope},
    fragment::{self, Fragment},
    kernel::{Kernel, Program},
    operand::{Operand, Operands},
    parameters::{
        Accumulation, Axis, Block, Columns, Counts, Elements, Places, RowSums, Rows, Scatter, SoftmaxRows, Spread,
        Strides, Walk,
    },
    plan::{KeyPlace, Plan},
    reachable,
    target::{F16Conversion, Schedule, Style, Target},
};
use crate::{Dropout, Dtype, Generator, KEEP_RULE_VERSION, Key, Operation, reference, wgsl};

pub(super) const CAPABILITIES: Capabilities =
    Capabilities::IMMEDIATES.union(Capabilities::SHADER_FLOAT16).union(Capabilities::SHADER_FLOAT16_IN_FLOAT32);

fn parse(source: &str) -> (Module, ModuleInfo) {
    let module =
        naga::front::wgsl::parse_str(source).unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
    let info = Validator::new(ValidationFlags::all(), CAPABILITIES)
        .validate(&module)
        .unwrap_or_else(|error| panic!("{}\n{source}", error.emit_to_string(source)));
    (module, info)
}

/// Every schedule in every style, and with either conversion where that makes a difference.
pub(super) fn targets() -> Vec<Target> {
    let mut targets = vec![];
    for &schedule in Schedule::ALL {
        for style in [Style::IMMEDIATES, Style::UNIFORM, Style::ONE_GROUP] {
            for f16 in [F16Conversion::Integer, F16Conversion::Native] {
                targets.push(Target { f16, ..Target::new(schedule).with_style(style) });
            }
        }
    }
    targets
}

fn kernels() -> BTreeSet<Kernel> {
    targets().iter().flat_map(reachable).collect()
}

/// Every kernel with its module, parsed once.
fn for_each_kernel(mut check: impl FnMut(&Kernel, &Module)) {
    let kernels = kernels();
    assert!(kernels.len() > 300, "{}", kernels.len());
    for kernel in kernels {
        check(&kernel, &parse(&kernel.wgsl()).0);
    }
}

#[test]
fn every_kernel_parses_and_validates() {
    for_each_kernel(|kernel, module| {
        assert_eq!(module.entry_points.len(), 1, "{kernel}");
        let entry = &module.entry_points[0];
        assert_eq!(entry.name, Kernel::ENTRY_POINT);
        assert_eq!(entry.workgroup_size, [kernel.workgroup_size(), 1, 1], "{kernel}");
        assert_eq!(module.overrides.len(), 0, "{kernel}: everything is a constant of the text");
        let wgsl = kernel.wgsl();
        assert_eq!(wgsl.starts_with("enable f16;"), kernel.needs_f16(), "{kernel}");
        // Browsers refuse a barrier behind a condition on such a variable, which naga allows.
        assert!(!wgsl.contains("Barrier()") || !wgsl.contains("var<private> parameters"), "{kernel}");
    });
}

/// The listing of docs/kernels.txt: whoever changes what can be chosen sees it there. To write it anew, run this test
/// with UPDATE=1.
#[test]
fn the_listing_of_kernels_is_up_to_date() {
    let mut text =
        "# Every kernel that can be chosen, by schedule; written by a test (src/kernels/tests.rs).\n".to_owned();
    for &schedule in Schedule::ALL {
        text += &format!("\n{}\n", schedule.name());
        for kernel in reachable(&Target::new(schedule)) {
            text += &format!("    {kernel}\n");
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/kernels.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == text, "run this test with UPDATE=1 and look at the difference");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn every_fragment_is_in_the_table_and_used_and_says_what_it_is() {
    let texts: Vec<_> = kernels().iter().map(Kernel::wgsl).collect();
    let public = wgsl::normals(Generator::Threefry) + &wgsl::attention(Generator::Threefry);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let files = files(&folder);
    assert_eq!(files.len(), fragment::ALL.len());
    for path in files {
        let name = path.strip_prefix(&folder).unwrap().with_extension("").to_str().unwrap().replace('\\', "/");
        let fragment = Fragment::find(&name).unwrap_or_else(|| panic!("{name} is not in the table of fragments"));
        assert!(fragment.text.starts_with("// "), "{name}");
        // A tensor's text is there with its name.
        let text = match name.as_str() {
            "tensor/f32" | "tensor/halves" => fragment.text.replace("tensor_", "weights_"),
            name if name.starts_with("tensor/store_") => fragment.text.replace("tensor_", "output_"),
            _ => fragment.text.to_owned(),
        };
        let used = texts.iter().any(|all| all.contains(&text)) || public.contains(&text);
        assert!(used, "{name} is used by no kernel");
        let declared: Vec<_> = Block::ALL.iter().map(|block| block.declaration()).collect();
        for parameter in fragment.parameters() {
            assert!(declared.contains(&parameter), "{name}: no block '{parameter}'");
        }
    }
}

/// What a fragment needs is not more than it uses: each of its functions, structs and constants is found.
#[test]
fn heads_name_what_is_used() {
    let roles = |role: &str| -> Vec<&'static str> {
        let prefix = match role {
            "generator" => "generator/",
            "key" => "key/",
            "cutoff" => "random/cutoff",
            "constants" => "constants/",
            "decision" => "decision/",
            "operation" => "operation/",
            "format" => "storage/",
            "storage" | "group" => "storage/",
            "input" => "input/",
            "alignment" => "random/alignment",
            "row_ids" => "random/row_ids",
            "other" => "input/no_other",
            "noise_input" => "input/none",
            "noise_storage" => "storage/f32_noise",
            "noise" => "noise/",
            "fusing" => "fused/forward",
            "activation" => "activation/",
            "bias" => "fused/bias_",
            "row_keep" => "fused/no_rows",
            "scaled" => "fused/scaled",
            "fused_storage" => "fused/f32",
            "sum_storage" => "fused/sum_f32",
            "columns" => "fused/walk",
            "gradient" => "fused/writes",
            "runs" => "decision/",
            "repeats" => "kernel/repeats",
            "lanes" | "keep" | "mask_scale" => "softmax/",
            "eight" => "storage/eight_",
            "input_eight" => "input/eight_",
            "rows" => "drop_connect/rows",
            "class_rows" => "statistics/rows_",
            "value" => "statistics/value",
            "unit" => "statistics/unit_",
            "four_values" => "statistics/four_",
            other => other,
        };
        fragment::ALL.iter().filter(|f| f.name.starts_with(prefix)).map(|f| f.name).collect()
    };
    let names = |text: &str| -> Vec<String> {
        let keywords = ["fn ", "const ", "struct ", "alias ", "override "];
        text.lines()
            .filter_map(|line| keywords.iter().find_map(|keyword| line.strip_prefix(keyword)))
            .map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned())
            .collect()
    };
    for fragment in fragment::ALL {
        for needed in fragment.needs() {
            // Its names are those of the kernel's tensors.
            if needed == "tensor" || needed == "store" {
                continue;
            }
            let found = roles(needed);
            assert!(!found.is_empty(), "{}: nothing is called '{needed}'", fragment.name);
            let mut provided = found.iter().flat_map(|name| names(Fragment::find(name).unwrap().text));
            // A storage brings its operation and its format along, by the head of the skeleton.
            let indirect = fragment.name.starts_with("kernel/") && ["operation", "format"].contains(&needed);
            assert!(
                indirect || provided.any(|name| fragment.text.contains(&name)),
                "{}: uses nothing of '{needed}'",
                fragment.name
            );
        }
    }
}

/// Offsets and size of the members of a WGSL struct.
fn members(module: &Module, name: &str) -> Option<(Vec<(String, u32)>, u32)> {
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    let (handle, r#type) = module.types.iter().find(|(_, r#type)| r#type.name.as_deref() == Some(name))?;
    let TypeInner::Struct { members, .. } = &r#type.inner else { panic!("{name} is no struct") };
    let members = members.iter().map(|member| (member.name.clone().unwrap(), member.offset)).collect();
    Some((members, layouter[handle].size))
}

macro_rules! assert_layout {
    ($module:expr, $name:literal, $type:ident, $($member:ident),+) => {
        if let Some((actual, size)) = members($module, $name) {
            let expected = [$((stringify!($member).to_owned(), u32::try_from(offset_of!($type, $member)).unwrap())),+];
            assert_eq!(actual, expected, $name);
            assert_eq!(size as usize, size_of::<$type>(), $name);
        }
    };
}

#[test]
fn structs_have_the_hosts_layout() {
    use wgsl::KeepRule;
    for_each_kernel(|kernel, module| {
        assert_layout!(module, "DropoutKeepRule", KeepRule, seed, stream, start, threshold, scale);
        assert_layout!(module, "Elements", Elements, count, input_offset, output_offset, other_offset);
        assert_layout!(module, "Columns", Columns, count, reciprocal, first, bias_offset);
        assert_layout!(module, "Walk", Walk, columns, reciprocal, partial, bias_offset);
        assert_layout!(
            module,
            "RowSums",
            RowSums,
            columns,
            pitch,
            rows,
            each,
            input_offset,
            output_offset,
            adds,
            unused
        );
        assert_layout!(module, "Rows", Rows, seed, stream, start, threshold, scale);
        assert_layout!(module, "Axis", Axis, stride, elements, reciprocal);
        if let Some((actual, size)) = members(module, "Strides") {
            let [stride, extent, first] =
                [offset_of!(Strides, inner_stride), offset_of!(Strides, inner_extent), offset_of!(Strides, first)];
            let expected = [("inner_stride", stride), ("inner_extent", extent), ("first", first), ("outer", 16)];
            assert_eq!(actual, expected.map(|(name, offset)| (name.to_owned(), u32::try_from(offset).unwrap())));
            assert_eq!(size as usize, kernel.block_bytes(Block::Strides), "{kernel}");
        }
        assert_layout!(
            module,
            "Places",
            Places,
            size,
            words,
            seeds,
            elements,
            first,
            first_plane,
            base,
            mask_seeds,
            output_offset,
            writes_keep,
            own,
            sharing
        );
        assert_layout!(
            module,
            "Spread",
            Spread,
            words,
            elements,
            input_offset,
            output_offset,
            step_words,
            step_bits,
            steps,
            across,
            last_words,
            last_bits,
            writes_keep,
            unused
        );
        assert_layout!(
            module,
            "Scatter",
            Scatter,
            size,
            words,
            seeds,
            count,
            first,
            input_bit,
            block,
            output_words,
            first_element,
            output_offset,
            unused
        );
        assert_layout!(
            module,
            "Product",
            Product,
            strides,
            examples,
            outputs,
            inputs,
            tiles,
            weights_offset,
            input_offset,
            output_offset,
            output_pitch
        );
        assert_layout!(
            module,
            "Slope",
            Slope,
            strides,
            rows,
            terms,
            inputs,
            tiles,
            factors_offset,
            gradient_offset,
            output_offset,
            row_pitch,
            term_pitch,
            unused_0,
            unused
        );
        assert_layout!(
            module,
            "Moments",
            Moments,
            examples,
            outputs,
            inputs,
            tiles,
            weights_offset,
            input_offset,
            mean_offset,
            variance_offset,
            output_pitch,
            factor,
            unused
        );
        assert_layout!(
            module,
            "Sampling",
            Sampling,
            length,
            samples,
            first_sample,
            tiles,
            mean_offset,
            variance_offset,
            output_offset,
            zero
        );
        assert_layout!(module, "Counts", Counts, words, input_offset, output_offset, is_first, elements, unused);
        assert_layout!(
            module,
            "SoftmaxRows",
            SoftmaxRows,
            columns,
            first,
            step,
            queries,
            query,
            visible,
            sign,
            zero,
            exponent,
            margin,
            factor,
            unused
        );
        assert_layout!(
            module,
            "Accumulation",
            Accumulation,
            count,
            samples,
            stride,
            classes,
            earlier,
            weight,
            other_weight,
            input_offset,
            first_offset,
            second_offset,
            other_offset,
            other_second_offset
        );
        // The blocks that the host writes, one after the other, are the members.
        let (actual, size) = members(module, "Parameters").unwrap();
        let mut offset = 0;
        let mut expected = vec![];
        for block in kernel.blocks() {
            expected.push((block.declaration().split_once(':').unwrap().0.to_owned(), offset));
            offset += u32::try_from(kernel.block_bytes(block)).unwrap();
        }
        assert_eq!((actual, size), (expected, offset), "{kernel}");
    });
}

#[test]
fn parameters_have_as_many_bytes_as_the_kernel_reads() {
    let mask = Dropout::new(0.5).unwrap().mask(Key::new(1)).at(5);
    for target in targets() {
        let range = |buffer| Operand::new(buffer, 0, 40_000);
        let operands = Operands::values(Dtype::F16, range(0), range(1)).unwrap();
        for key in [KeyPlace::Parameters, KeyPlace::Buffer { word: 3 }] {
            let launches = Plan::new(&target, &operands).unwrap().launches(&Operation::Forward(mask), key).unwrap();
            assert!(!launches.is_empty());
            for launch in launches {
                let (module, _) = parse(&launch.kernel().wgsl());
                assert_eq!(launch.parameters().len(), members(&module, "Parameters").unwrap().1 as usize);
            }
        }
    }
}

#[test]
fn bindings_are_the_layouts() {
    for_each_kernel(|kernel, module| {
        let mut found = vec![];
        let mut has_immediates = false;
        for (_, variable) in module.global_variables.iter() {
            match (variable.space, &variable.binding) {
                (AddressSpace::Storage { access }, Some(binding)) => {
                    let written = access.contains(naga::StorageAccess::STORE);
                    found.push((binding.group, binding.binding, Some(written)));
                }
                (AddressSpace::Uniform, Some(binding)) => found.push((binding.group, binding.binding, None)),
                (AddressSpace::Immediate, None) => has_immediates = true,
                // Parameters that were copied.
                (AddressSpace::WorkGroup | AddressSpace::Private, None) => {}
                other => panic!("{kernel}: {other:?}"),
            }
        }
        found.sort_unstable();
        let layout = kernel.layout;
        let mut expected: Vec<_> = (0..layout.count()).map(|b| (0, u32::from(b), Some(layout.is_written(b)))).collect();
        let key = kernel.key_binding();
        expected.extend(key.map(|(group, binding)| (group, binding, Some(kernel.style.read_write))));
        let table = kernel.normal_table_binding();
        expected.extend(table.map(|(group, binding)| (group, binding, kernel.style.read_write.then_some(true))));
        match kernel.style {
            Style::IMMEDIATES => {}
            Style::UNIFORM => expected.push((1, 0, None)),
            _ => {
                let before = u32::from(key.is_some()) + u32::from(table.is_some());
                expected.push((0, u32::from(layout.count()) + before, None));
            }
        }
        expected.sort_unstable();
        assert_eq!(found, expected, "{kernel}");
        assert_eq!(has_immediates, kernel.style == Style::IMMEDIATES, "{kernel}");
        let all_written = found.iter().all(|&(.., written)| written != Some(false));
        assert!(!kernel.style.read_write || all_written, "{kernel}");
    });
}

/// Launchers may take a pipeline's layout from its text, where only what is used is bound. A selection that keeps everything
/// is a copy, and looks at no other input.
#[test]
fn every_binding_is_used() {
    let targets = Schedule::ALL.iter().map(|&schedule| Target::new(schedule).with_style(Style::ONE_GROUP));
    for kernel in targets.flat_map(|target| reachable(&target)) {
        let (module, info) = parse(&kernel.wgsl());
        for (handle, variable) in module.global_variables.iter().filter(|(_, variable)| variable.binding.is_some()) {
            let is_used = !info.get_entry_point(0)[handle].is_empty();
            let copies = kernel.to_string().starts_with("copy") && variable.name.as_deref() == Some("other_binding");
            assert!(is_used || copies, "{kernel}: {:?}", variable.name);
        }
    }
}

#[test]
fn constants_are_the_hosts() {
    for_each_kernel(|kernel, module| {
        let constant = |name: &str| {
            let (_, constant) = module.constants.iter().find(|(_, c)| c.name.as_deref() == Some(name))?;
            match module.global_expressions[constant.init] {
                naga::Expression::Literal(naga::Literal::U32(value)) => Some(u64::from(value)),
                ref other => panic!("{name}: {other:?}"),
            }
        };
        assert_eq!(constant("WORKGROUP_SIZE"), Some(u64::from(kernel.workgroup_size())));
        if let Some(domain) = constant("DROPOUT_KEEP_DOMAIN") {
            assert_eq!(domain, u64::from(reference::KEEP_DOMAIN));
        }
        if let Program::Elementwise { .. } = kernel.program {
            let run = constant("RUN").unwrap();
            let per_workgroup = constant("GROUPS_PER_WORKGROUP").unwrap_or(kernel.workgroup_size().into());
            assert_eq!(kernel.workgroup_elements(), per_workgroup * run, "{kernel}");
        }
    });
}

#[test]
fn the_public_text_stands_alone_and_names_its_version() {
    for &generator in Generator::ALL {
        let normals = wgsl::normals(generator);
        assert!(normals.starts_with(&wgsl::keep_rule(generator)));
        let entry = "fn dropout_normal_entry(i: u32) -> vec2<u32> { return vec2<u32>(i); }";
        check_public_text(&wgsl::keep_rule(generator));
        check_public_text(&(normals + entry));
    }
}

fn check_public_text(text: &str) {
    let (module, _) = parse(text);
    assert!(text.contains(&format!("// The keep rule, version {KEEP_RULE_VERSION}:")));
    // Users put it before their own shaders.
    let prefixed = |name: &str| ["dropout", "threefry", "philox"].iter().any(|p| name.to_lowercase().starts_with(p));
    let functions = module.functions.iter().filter_map(|(_, function)| function.name.as_deref());
    let constants = module.constants.iter().filter_map(|(_, constant)| constant.name.as_deref());
    let types = module.types.iter().filter_map(|(_, r#type)| r#type.name.as_deref());
    let overrides = module.overrides.iter().filter_map(|(_, r#override)| r#override.name.as_deref());
    let names: HashSet<_> = functions.chain(constants).chain(types).chain(overrides).collect();
    assert!(names.len() > 10);
    assert_eq!(names.iter().find(|name| !prefixed(name)), None);
}

/// Values → reference, values → kernels → gpu: nothing refers to what is above it.
#[test]
fn modules_depend_in_one_direction() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut checked = 0;
    for path in files(&source) {
        let text = fs::read_to_string(&path).unwrap();
        let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let forbidden: &[&str] = match path.strip_prefix(&source).unwrap().iter().next().unwrap().to_str().unwrap() {
            "gpu" | "lib.rs" => continue,
            "kernels" if path.to_str().is_some_and(|path| path.ends_with("tests.rs")) => continue,
            "kernels" => &["wgpu::", "gpu::", "reference::"],
            "reference" => &["wgpu::", "gpu::", "kernels::", "wgsl::"],
            _ => &["wgpu::", "gpu::", "reference::"],
        };
        for (line, name) in code.iter().flat_map(|line| forbidden.iter().map(move |name| (line, name))) {
            assert!(!line.replace("wgpu::BufferUsages::", "").contains(name), "{}: {line}", path.display());
        }
        checked += 1;
    }
    assert!(checked > 15);
}
