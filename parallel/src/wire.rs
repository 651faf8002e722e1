//! The one way from process to process: everything that travels goes through here and is counted.

use std::collections::BTreeMap;

use mpi::{
    collective::SystemOperation,
    datatype::PartitionMut,
    topology::SimpleCommunicator,
    traits::{Communicator, Equivalence, Root},
};
use serde::Serialize;

use crate::grid::Grid;

/// What travels, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Sums over the parts of a layer's units: a matrix product whose inner dimension is split.
    Products,
    /// Sums over the parts of a batch.
    Gradients,
    Losses,
    /// What the proof looks at, and training does not need.
    Proof,
}

/// Bytes that this process has handed over, by purpose.
pub type Traffic = BTreeMap<Purpose, u64>;

pub struct Wire {
    world: SimpleCommunicator,
    /// The processes with the same rows of the batch and other units, and those with the same units and other rows.
    tensor: SimpleCommunicator,
    data: SimpleCommunicator,
    traffic: Traffic,
}

impl Wire {
    pub fn new(world: SimpleCommunicator, grid: Grid) -> Self {
        let (row, column) = grid.place(rank(&world));
        let split = |color: usize| {
            let color = i32::try_from(color).expect("a grid is small");
            world.split_by_color(mpi::topology::Color::with_value(color)).expect("every process has a color")
        };
        let (tensor, data) = (split(row), split(column));
        Self { world, tensor, data, traffic: Traffic::new() }
    }

    pub fn rank(&self) -> usize {
        rank(&self.world)
    }

    /// Sums partial products over the processes with the same rows.
    pub fn sum_products(&mut self, values: &mut [f32]) {
        sum(&self.tensor, values, &mut self.traffic, Purpose::Products);
    }

    /// Sums over the processes with the same units.
    pub fn sum_batch(&mut self, values: &mut [f32], purpose: Purpose) {
        sum(&self.data, values, &mut self.traffic, purpose);
    }

    /// Everybody's values, for the proof: of every process, in the order of ranks, on the first; nothing elsewhere.
    pub fn gather<T: Equivalence + Clone + Default>(&mut self, values: &[T]) -> Vec<Vec<T>> {
        let root = self.world.process_at_rank(0);
        *self.traffic.entry(Purpose::Proof).or_default() += size_of_val(values) as u64;
        let count = i32::try_from(values.len()).expect("a shard is small");
        if self.rank() != 0 {
            root.gather_into(&count);
            root.gather_varcount_into(values);
            return vec![];
        }
        let mut counts = vec![0; rank_count(&self.world)];
        root.gather_into_root(&count, &mut counts);
        let starts: Vec<i32> = counts.iter().scan(0, |sum, count| Some(std::mem::replace(sum, *sum + count))).collect();
        let total: i32 = counts.iter().sum();
        let mut all = vec![T::default(); usize::try_from(total).expect("not negative")];
        root.gather_varcount_into_root(values, &mut PartitionMut::new(&mut all[..], &counts[..], &starts[..]));
        let mut rest = &all[..];
        let mut take = |&count: &i32| {
            let (part, after) = rest.split_at(usize::try_from(count).expect("not negative"));
            rest = after;
            part.to_vec()
        };
        counts.iter().map(&mut take).collect()
    }

    pub const fn traffic(&self) -> &Traffic {
        &self.traffic
    }
}

/// Reduced by one process and handed to all, so that every one has the same bits.
fn sum(group: &SimpleCommunicator, values: &mut [f32], traffic: &mut Traffic, purpose: Purpose) {
    if group.size() == 1 {
        return;
    }
    *traffic.entry(purpose).or_default() += size_of_val(values) as u64;
    let root = group.process_at_rank(0);
    if group.rank() == 0 {
        let own = values.to_vec();
        root.reduce_into_root(&own[..], values, SystemOperation::sum());
    } else {
        root.reduce_into(&*values, SystemOperation::sum());
    }
    root.broadcast_into(values);
}

fn rank(group: &SimpleCommunicator) -> usize {
    usize::try_from(group.rank()).expect("ranks are not negative")
}

fn rank_count(group: &SimpleCommunicator) -> usize {
    usize::try_from(group.size()).expect("sizes are not negative")
}
