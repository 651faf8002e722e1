//! The path of a kernel that nearly every subgroup takes.

/// What stands in a kernel's name (its text has it in a comment), and what of its text makes a branch.
struct Branch {
    /// Of kernels with all of these in their names.
    of: &'static [&'static str],
    text: &'static str,
    /// What stays of it.
    straight: &'static str,
}

const BRANCHES: &[Branch] = &[
    // shaders/kernel/elementwise_groups.wgsl: all but the last workgroup pass this guard whole.
    Branch {
        of: &[", groups, "],
        text: "if invocation < GROUPS_PER_WORKGROUP && number < parameters.elements.count / 8u {",
        straight: "{",
    },
    // shaders/kernel/mask_bits.wgsl: the same.
    Branch {
        of: &["// mask bits, "],
        text: "if position >= parameters.elements.count {\n        return;\n    }",
        straight: "",
    },
    // shaders/random/keep_group.wgsl: one lane in 65,536 is a tie. Whether there is one is looked for all the same.
    Branch { of: &[" by groups"], text: "return settle_ties(rule, group, block);", straight: "return vec4<u32>(0u);" },
    // shaders/decision/strided.wgsl and shared_runs.wgsl: runs that lie in one row along the innermost axis.
    Branch { of: &[" strides and a dense one"], text: "while done < 32u {", straight: "{" },
    Branch { of: &[" strides and a shared one"], text: "while done < 32u {", straight: "{" },
    Branch { of: &[" strides and a widely shared one"], text: "while done < 128u {", straight: "{" },
    // shaders/random/keep_bits.wgsl: the same ties, and the last group of a run.
    Branch { of: &[" strides and a "], text: "if ties == 0u {\n            break;\n        }", straight: "break;" },
    Branch {
        of: &[" strides and a "],
        text: "if half != bound || part == 1u {\n            break;\n        }",
        straight: "break;",
    },
    // shaders/kernel/elementwise_groups.wgsl: one repeat, where eight share their random numbers.
    Branch {
        of: &[", repeated"],
        text: "for (var repeat = first_repeat(workgroup); repeat < end_of_repeats(workgroup); repeat++) {",
        straight: "{ let repeat = first_repeat(workgroup);",
    },
    // shaders/kernel/noise_quads.wgsl: all but the last workgroup have them all.
    Branch { of: &[", noise by "], text: "if quad < quads {", straight: "{" },
    // shaders/softmax/rows.wgsl: all but the last workgroup have a row.
    Branch {
        of: &["// softmax "],
        text: "if number >= parameters.elements.count {\n        return Row(0u, 0u, 0u, 0u);\n    }",
        straight: "",
    },
    // shaders/kernel/softmax.wgsl, softmax_backward.wgsl: the first tile has the sums scaled, and hardly another.
    Branch { of: &["// softmax "], text: "while base != next {", straight: "{" },
    // shaders/random/keep_bits.wgsl: ties.
    Branch {
        of: &["// drop connect,", "threefry"],
        text: "if ties == 0u {\n            break;\n        }",
        straight: "break;",
    },
    // shaders/statistics/: all but the last workgroup have elements and rows, and accumulators are new.
    Branch {
        of: &["// moments "],
        text: "if unit >= parameters.accumulation.count / UNIT {\n        return;\n    }",
        straight: "",
    },
    Branch {
        of: &["// uncertainty "],
        text: "if row >= parameters.accumulation.count {\n        return;\n    }",
        straight: "",
    },
    Branch { of: &["// moments "], text: "if parameters.accumulation.earlier > 0.0 {", straight: "if false {" },
    Branch { of: &["// uncertainty "], text: "if parameters.accumulation.earlier > 0.0 {", straight: "if false {" },
    Branch {
        of: &["// uncertainty "],
        text: "if class_i < parameters.accumulation.classes {\n                store_probability",
        straight: "{\n                store_probability",
    },
    // shaders/drop_connect/product.wgsl: whole tiles.
    Branch {
        of: &["// drop connect,"],
        text: "if example >= parameters.product.examples {\n        return;\n    }",
        straight: "",
    },
    Branch {
        of: &["// drop connect,"],
        text: "if example < parameters.product.examples && output < parameters.product.outputs {",
        straight: "{",
    },
    // shaders/tensor/store_f32.wgsl: the last ones of a row are four too.
    Branch {
        of: &["// drop connect,"],
        text: "for (var i = 0u; i < min(left, 4u); i++) {\n        store_output_word(at + i, bitcast<u32>(x[i]));\n    }",
        straight: "store_output_word(at, bitcast<u32>(x.x));\n    store_output_word(at + 1u, bitcast<u32>(x.y));\n    \
                   store_output_word(at + 2u, bitcast<u32>(x.z));\n    store_output_word(at + 3u, bitcast<u32>(x.w));",
    },
];

/// A loop, or several that are alike, and how often it is gone round for as many elements as are counted.
struct Loop {
    /// Of kernels with all of these in their names.
    of: &'static [&'static str],
    header: &'static str,
    counter: &'static str,
    times: u32,
    /// Of the counter, each time.
    value: fn(u32) -> u32,
}

const LOOPS: &[Loop] = &[
    // shaders/kernel/softmax.wgsl, softmax_backward.wgsl: a tile is a row of 512.
    Loop {
        of: &["// softmax f32, 16 "],
        header: "for (var tile = 0u; tile < row.seen; tile += TILE) {",
        counter: "tile",
        times: 1,
        value: |_| 0,
    },
    Loop {
        of: &["// softmax backward f32, 16 "],
        header: "for (var tile = 0u; tile < end_of_tiles(row.seen); tile += TILE) {",
        counter: "tile",
        times: 1,
        value: |_| 0,
    },
    Loop {
        of: &["// softmax ", "f32, 16 "],
        header: "for (var tile = 0u; tile < end_of_tiles(row.end); tile += TILE) {",
        counter: "tile",
        times: 1,
        value: |_| 0,
    },
    // shaders/softmax/many_lanes.wgsl: maxima and sums of 16 invocations.
    Loop {
        of: &["// softmax ", "f32, 16 "],
        header: "for (var distance = LANES / 2u; distance > 0u; distance /= 2u) {",
        counter: "distance",
        times: 4,
        value: |i| 8 >> i,
    },
    // shaders/statistics/: the samples of passes.rs.
    Loop {
        of: &["// moments "],
        header: "for (var sample = 0u; sample < parameters.accumulation.samples; sample++) {",
        counter: "sample",
        times: 16,
        value: |i| i,
    },
    Loop {
        of: &["// uncertainty "],
        header: "for (var sample = 0u; sample < parameters.accumulation.samples; sample++) {",
        counter: "sample",
        times: 16,
        value: |i| i,
    },
    // shaders/drop_connect/product.wgsl: the decisions of every example and output for 32 inputs, and these by four. Inner loops
    // come first: each is to be found once.
    Loop {
        of: &["// drop connect,"],
        header: "for (var o = 0u; o < outputs; o++) {",
        counter: "o",
        times: 4,
        value: |i| i,
    },
    Loop {
        of: &["// drop connect,"],
        header: "for (var e = 0u; e < masks; e++) {",
        counter: "e",
        times: 4,
        value: |i| i,
    },
    Loop {
        of: &["// drop connect,"],
        header: "for (var input = 32u * (max(step, 1u) - 1u); input < end; input += 4u) {",
        counter: "input",
        times: 8,
        value: |i| 4 * i,
    },
    Loop {
        of: &["// drop connect,"],
        header: "for (var step = select(0u, 1u, ROWS_ARE_ALIGNED); step <= (inputs + 31u) / 32u; step++) {",
        counter: "step",
        times: 1,
        value: |_| 1,
    },
];

/// A kernel's text without its guards, its loops and what settles ties.
///
/// RADV's statistics weigh: a block counts for a half or three quarters with each branch around it, and eightfold with
/// a loop, whatever is likely. So a figure for the whole kernel is neither of what runs nor steady. This text has one
/// path, the one that runs but for ends and ties; it is for counting alone, since its results are wrong. `radv.rs`
/// looks whether what was compiled has one path indeed.
///
/// # Panics
/// Where a branch is not there exactly once, or a loop not at all: the shaders changed, and this file must follow.
pub fn straight_line(text: &str) -> String {
    let name = text.lines().find(|line| line.contains(": generated by wgpu-dropout"));
    let name = name.expect("a kernel's text begins with a comment: its name, and what it was generated by");
    let is_of = |of: &[&str]| of.iter().all(|part| name.contains(part));
    let mut straight = text.to_owned();
    for branch in BRANCHES.iter().filter(|branch| is_of(branch.of)) {
        let found = straight.matches(branch.text).count();
        assert!(found == 1, "{FOLLOW}: '{name}' has this {found} times instead of once: {}", branch.text);
        straight = straight.replace(branch.text, branch.straight);
    }
    for Loop { header, counter, times, value, .. } in LOOPS.iter().filter(|of_loop| is_of(of_loop.of)) {
        assert!(straight.contains(header), "{FOLLOW}: '{name}' has no loop like this: {header}");
        while let Some((before, after)) = straight.split_once(header) {
            let (body, after) = after.split_at(length_of_block(after));
            let turns = (0..*times).map(|i| format!("{{ let {counter} = {}u;{body}", value(i)));
            straight = [before, &turns.collect::<Vec<_>>().join("\n"), after].concat();
        }
    }
    straight
}

const FOLLOW: &str = "the shaders changed, and benches/examples/isa/straight_line.rs must follow";

/// Bytes to the end of the block whose first brace comes before.
fn length_of_block(text: &str) -> usize {
    let mut depth = 1;
    for (i, c) in text.char_indices() {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        if depth == 0 {
            return i + 1;
        }
    }
    panic!("a block of a shader does not end")
}
