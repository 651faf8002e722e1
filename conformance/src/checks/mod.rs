//! The checks. Each compares what a device returns with a published answer or with the CPU reference.

mod blocks;
mod family;
mod generators;
mod known_passes;
mod masks;
mod monte_carlo;
mod passes;
mod values;

use std::pin::Pin;

use crate::{Outcome, Subject, Suite, outcome::Stop};

/// What a check is about. Masks are exact everywhere; values are as exact as WGSL and the hardware are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Generators,
    Masks,
    Values,
}

impl About {
    pub const ALL: [Self; 3] = [Self::Generators, Self::Masks, Self::Values];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Generators => "generators",
            Self::Masks => "masks",
            Self::Values => "values",
        }
    }
}

/// One promise, checked on one device by [`Suite::run`].
pub struct Check {
    pub about: About,
    pub name: &'static str,
    pub(crate) run: for<'a> fn(&'a Suite, &'a Subject, &'a mut Outcome) -> Running<'a>,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Stop>> + 'a>>;

/// The checks of a topic, from functions of the module with its name.
macro_rules! checks {
    ($($about:ident $module:ident $name:literal $function:ident)+) => {
        &[$(Check {
            about: About::$about,
            name: $name,
            run: |suite, subject, outcome| Box::pin($module::$function(suite, subject, outcome)),
        }),+]
    };
}

pub(crate) const ALL: &[Check] = checks! {
    Generators generators "known blocks" known_blocks
    Generators generators "blocks" blocks
    Generators family "known normals" known_normals
    Generators family "normals" normals
    Masks masks "known masks" known_masks
    Masks masks "known thresholds" known_thresholds
    Masks masks "known views" known_views
    Masks masks "known strides" known_strides
    Masks masks "known shared masks" known_shared
    Masks masks "known gathered rows" known_gathered
    Masks blocks "known block masks" known_block_masks
    Masks masks "lengths" lengths
    Masks masks "start indexes" start_indexes
    Masks masks "probabilities" probabilities
    Masks masks "rows" rows
    Masks masks "strides" strides
    Masks blocks "kept rows" kept_rows
    Masks masks "keys in buffers" keys_in_buffers
    Masks masks "bits in buffers" bits_in_buffers
    Masks masks "bytes in buffers" bytes_in_buffers
    Masks masks "chunks" chunks
    Masks masks "other schedules" other_schedules
    Values values "known scales" known_scales
    Values values "known values" known_values
    Values blocks "known block scales" known_block_scales
    Values values "lengths" lengths
    Values values "start indexes" start_indexes
    Values values "probabilities" probabilities
    Values blocks "DropBlock" drop_block
    Values blocks "audits" audits
    Values values "backward" backward
    Values values "every f16" every_f16
    Values values "every bf16" every_bf16
    Values values "f32 in buffers" f32_in_buffers
    Values values "f16 in buffers" f16_in_buffers
    Values values "bf16 in buffers" bf16_in_buffers
    Values values "in place" in_place
    Values values "two ranges of one buffer" two_ranges_of_one_buffer
    Values values "packed masks" packed_masks
    Values values "rows" rows
    Values values "splits" splits
    Values values "chunks" chunks
    Values values "other schedules" other_schedules
    Values family "known kinds" known_kinds
    Values family "kinds" kinds
    Values family "evaluation" evaluation
    Values family "every half" every_half
    Values family "kinds in buffers" kinds_in_buffers
    Values family "rates in buffers" rates_in_buffers
    Values family "kinds in chunks" kinds_in_chunks
    Values family "strides" strides
    Values family "selection" selection
    Values family "dropped NaN" dropped_nan
    Values family "separate roundings" separate_roundings
    Values known_passes "known passes" known_passes
    Values passes "fused" fused
    Values passes "gradients of fused" fused_gradients
    Values passes "softmax" softmax
    Values passes "gradients of softmax" softmax_gradients
    Values passes "products" products
    Values monte_carlo "samples" samples
    Values monte_carlo "statistics" statistics
    Values monte_carlo "uncertainty" uncertainty
};
