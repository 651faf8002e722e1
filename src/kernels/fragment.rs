//! The WGSL files, and how a kernel's text is put together from them.
//!
//! A fragment opens with a sentence of what it computes, and a head that says what it takes:
//!
//! - `// needs: a, b`: other fragments by their path, or by a role that the kernel fills ("decision", "storage");
//! - `// parameters: name: Type, …`: its blocks of the kernel's parameters;
//! - `// enables: f16`: an extension of WGSL.

/// One WGSL file.
#[derive(Debug)]
pub(crate) struct Fragment {
    /// Its path below shaders/, without the ending.
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
}

macro_rules! fragments {
    ($($name:literal)+) => {
        &[$(Fragment { name: $name, text: include_str!(concat!("../../shaders/", $name, ".wgsl")) }),+]
    };
}

/// Every file.
pub(crate) static ALL: &[Fragment] = fragments! {
    "generator/threefry4x32" "generator/philox4x32"
    "random/keep_rule" "random/keep_bits" "random/keep_group" "random/cutoff" "random/cutoff_of_any" "random/alignment" "random/multiply_high" "random/product_64" "random/quotient" "random/strides"
    "random/row_ids" "random/no_row_ids" "random/normal" "random/normal_of" "random/attention"
    "key/parameter" "key/buffer" "key/rate_buffer"
    "constants/scaling" "constants/alpha" "constants/gaussian" "constants/counted" "constants/rate_buffer"
    "decision/all" "decision/blocked" "decision/grouped" "decision/shifted" "decision/grouped_bits" "decision/strided" "decision/one_run" "decision/shared_runs"
    "decision/packed_mask"
    "noise/contiguous" "noise/strided"
    "operation/inverted" "operation/identity" "operation/zero" "operation/standard" "operation/alpha" "operation/gaussian"
    "operation/normal" "operation/rounded"
    "storage/f32" "storage/halves" "storage/f16" "storage/f16_integer" "storage/f16_native" "storage/bf16" "storage/bf16_signed" "storage/f32_group"
    "storage/halves_group" "storage/f32_noise" "storage/halves_noise" "storage/eight_f32" "storage/eight_halves"
    "input/eight_f32" "input/eight_halves"
    "softmax/rows" "softmax/one_lane" "softmax/many_lanes" "softmax/bits" "softmax/shared_bits" "softmax/groups" "softmax/scale" "softmax/no_scale" "kernel/softmax" "kernel/softmax_backward"
    "input/quads" "input/words" "input/halves" "input/any" "input/no_other" "input/none"
    "kernel/elements" "kernel/once" "kernel/repeats" "kernel/elementwise_groups" "kernel/elementwise_interleaved" "kernel/elementwise_blocked"
    "kernel/elementwise_edge" "kernel/noise_quads" "kernel/noise_edge" "kernel/mask_bits" "kernel/mask_bytes" "kernel/kept_rows"
    "kernel/audit" "kernel/advance_key" "kernel/random_blocks"
    "kernel/probe_f16"
    "activation/none" "activation/relu" "activation/gelu" "activation/gelu_tanh" "activation/silu" "activation/sigmoid"
    "fused/columns" "fused/no_bias" "fused/bias_quads" "fused/bias_elements" "fused/scaled" "fused/unscaled" "fused/rows" "fused/row_rule" "fused/no_rows"
    "fused/forward" "fused/backward" "fused/f32" "fused/halves" "fused/quads" "fused/edge" "fused/walk" "fused/gradient"
    "fused/writes" "fused/no_writes" "fused/sum_rows" "fused/sum_f32" "fused/sum_halves"
    "kernel/invocation" "tensor/f32" "tensor/halves" "tensor/store_f32" "tensor/store_pairs" "tensor/store_halves"
    "drop_connect/rows" "drop_connect/no_rows" "drop_connect/product" "drop_connect/gradient" "drop_connect/moments" "drop_connect/samples"
    "drop_block/place" "drop_block/spread" "drop_block/count" "drop_block/scale" "drop_block/scatter" "drop_block/fill"
    "statistics/accumulation" "statistics/value_f32" "statistics/value_halves" "statistics/unit_one" "statistics/unit_four" "statistics/four_f32" "statistics/four_halves" "statistics/moments" "statistics/merge_moments"
    "statistics/merge_means" "statistics/variance" "statistics/softmax" "statistics/lanes" "statistics/rows_one" "statistics/rows_two" "statistics/few_classes" "statistics/many_classes"
    "statistics/predictive_entropy" "statistics/mutual_information"
};

impl Fragment {
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|fragment| fragment.name == name)
    }

    fn head(&self, field: &str) -> impl Iterator<Item = &'static str> {
        let head = self.text.lines().take_while(|line| line.starts_with("//"));
        let prefix = format!("// {field}: ");
        head.filter_map(move |line| line.strip_prefix(prefix.as_str())).flat_map(|names| names.split(", "))
    }

    pub(crate) fn needs(&self) -> impl Iterator<Item = &'static str> {
        self.head("needs")
    }

    pub(crate) fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.head("parameters")
    }

    pub(crate) fn enables(&self) -> impl Iterator<Item = &'static str> {
        self.head("enables")
    }
}

/// The fragments that `name` needs, itself last. `role` names the fragment that fills a role.
///
/// # Panics
/// Where a fragment or a role is missing: tests assemble every kernel.
pub(crate) fn collect(name: &'static str, role: &impl Fn(&str) -> Option<&'static str>) -> Vec<&'static Fragment> {
    let mut found = vec![];
    visit(name, role, &mut found);
    found
}

fn visit(name: &str, role: &impl Fn(&str) -> Option<&'static str>, found: &mut Vec<&'static Fragment>) {
    // A role may be empty: f32 has no format to convert.
    let name = if name.contains('/') { name } else { role(name).unwrap_or_else(|| panic!("no role '{name}'")) };
    if name.is_empty() || found.iter().any(|fragment| fragment.name == name) {
        return;
    }
    let fragment = Fragment::find(name).unwrap_or_else(|| panic!("no fragment '{name}'"));
    for needed in fragment.needs() {
        visit(needed, role, found);
    }
    found.push(fragment);
}
