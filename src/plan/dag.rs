//! The order of an experiment's nodes. petgraph stays in this file.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::experiment::Workload;

/// Names of the nodes in the order in which they run: every node after all of its predecessors,
/// and among those that could run next the one that stands first in the file; those that age an
/// engine last, because it may not survive them.
///
/// # Errors
///
/// One diagnostic for each knot of nodes that wait for each other, with a cycle shown whole.
pub fn order(workloads: &[Workload]) -> Result<Vec<String>, Vec<Diagnostic>> {
    let graph = graph(workloads);
    let cycles = cycles(workloads, &graph);
    if !cycles.is_empty() {
        return Err(cycles);
    }
    let mut waits: Vec<usize> = graph
        .node_indices()
        .map(|node| graph.edges_directed(node, Direction::Incoming).count())
        .collect();
    let turn = |index: usize| Reverse((workloads[index].is_ageing(), index));
    let mut next: BinaryHeap<Reverse<(bool, usize)>> = waits
        .iter()
        .enumerate()
        .filter(|(_, waits)| **waits == 0)
        .map(|(index, _)| turn(index))
        .collect();
    let mut order = Vec::with_capacity(workloads.len());
    while let Some(Reverse((_, index))) = next.pop() {
        order.push(workloads[index].name.clone());
        for edge in graph.edges(NodeIndex::new(index)) {
            let follower = edge.target().index();
            waits[follower] -= 1;
            if waits[follower] == 0 {
                next.push(turn(follower));
            }
        }
    }
    Ok(order)
}

/// Edges lead from a node to those that come after it, and carry the place that says so. Node
/// indices are places in the file. Predecessors that do not exist are `spec`'s to report.
fn graph(workloads: &[Workload]) -> DiGraph<(), Span> {
    let mut graph = DiGraph::new();
    let mut by_name = HashMap::new();
    for workload in workloads {
        let node = graph.add_node(());
        by_name.entry(workload.name.as_str()).or_insert(node);
    }
    for (index, workload) in workloads.iter().enumerate() {
        for predecessor in &workload.after {
            if let Some(before) = by_name.get(predecessor.node.as_str()) {
                graph.add_edge(*before, NodeIndex::new(index), predecessor.at);
            }
        }
    }
    graph
}

fn cycles(workloads: &[Workload], graph: &DiGraph<(), Span>) -> Vec<Diagnostic> {
    let mut starts: Vec<NodeIndex> = tarjan_scc(graph)
        .into_iter()
        .filter(|knot| knot.len() > 1 || graph.contains_edge(knot[0], knot[0]))
        .filter_map(|knot| knot.into_iter().min())
        .collect();
    starts.sort();
    starts
        .into_iter()
        .filter_map(|start| {
            let cycle = shortest_cycle(graph, start)?;
            let names: Vec<&str> = cycle
                .iter()
                .chain([&start])
                .map(|node| workloads[node.index()].name.as_str())
                .collect();
            let second = cycle.get(1).copied().unwrap_or(start);
            let first_edge = graph.find_edge(start, second)?;
            let message = format!("the workloads wait for each other: {}", names.join(" -> "));
            Some(
                Diagnostic::error(graph[first_edge], message)
                    .label(format!("`{}` comes after `{}`", names[1], names[0]))
                    .help("drop one of these `after`s"),
            )
        })
        .collect()
}

/// The nodes of a shortest way from `start` back to itself, `start` first and once.
fn shortest_cycle(graph: &DiGraph<(), Span>, start: NodeIndex) -> Option<Vec<NodeIndex>> {
    let mut came_from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        let mut followers: Vec<NodeIndex> = graph.neighbors(node).collect();
        followers.sort();
        for follower in followers {
            if follower == start {
                let mut way = vec![node];
                while let Some(before) = came_from.get(way.last()?) {
                    way.push(*before);
                }
                way.reverse();
                return Some(way);
            }
            if let Entry::Vacant(unseen) = came_from.entry(follower) {
                unseen.insert(node);
                queue.push_back(follower);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spec::diagnostic::{FileRole, Place};
    use crate::spec::experiment::{Predecessor, WorkloadSpec};
    use crate::spec::workload::kv_cache::KvCacheSpec;

    /// Nodes with their predecessors; the n-th predecessor of the m-th node stands at 100 m + n.
    fn workloads(nodes: &[(&str, &[&str])]) -> Vec<Workload> {
        let at = |start| Span::new(FileRole::Experiment, start..start + 1);
        nodes
            .iter()
            .enumerate()
            .map(|(m, (name, after))| Workload {
                name: (*name).to_owned(),
                after: after
                    .iter()
                    .enumerate()
                    .map(|(n, node)| Predecessor {
                        node: (*node).to_owned(),
                        at: at(100 * m + n),
                    })
                    .collect(),
                spec: WorkloadSpec::KvCache(KvCacheSpec {
                    iterations: 1,
                    prompt_tokens: 1,
                    max_tokens: 1,
                }),
                at: at(100 * m + 99),
            })
            .collect()
    }

    fn cycles_of(nodes: &[(&str, &[&str])]) -> Vec<(usize, String)> {
        order(&workloads(nodes))
            .unwrap_err()
            .into_iter()
            .map(|diagnostic| {
                let Place::At(span) = diagnostic.place else {
                    panic!("it has a place")
                };
                (span.start, diagnostic.message)
            })
            .collect()
    }

    #[test]
    fn nodes_run_after_their_predecessors_and_else_in_file_order() {
        assert_eq!(order(&workloads(&[])).unwrap(), Vec::<String>::new());
        assert_eq!(
            order(&workloads(&[("b", &[]), ("a", &[])])).unwrap(),
            ["b", "a"]
        );
        let nodes = workloads(&[
            ("last", &["left", "right"]),
            ("right", &["first"]),
            ("left", &["first"]),
            ("first", &[]),
            ("free", &[]),
        ]);
        assert_eq!(
            order(&nodes).unwrap(),
            ["first", "right", "left", "last", "free"]
        );
        // A predecessor that is named twice is one.
        assert_eq!(
            order(&workloads(&[("b", &["a", "a"]), ("a", &[])])).unwrap(),
            ["a", "b"]
        );
    }

    #[test]
    fn a_cycle_is_shown_whole_at_its_first_edge() {
        assert_eq!(
            cycles_of(&[("a", &["c"]), ("b", &["a"]), ("c", &["b"]), ("d", &["a"])]),
            [(
                100,
                "the workloads wait for each other: a -> b -> c -> a".to_owned()
            )]
        );
        assert_eq!(
            cycles_of(&[("a", &["a"])]),
            [(0, "the workloads wait for each other: a -> a".to_owned())]
        );
        let found = order(&workloads(&[("a", &["b"]), ("b", &["a"])])).unwrap_err();
        assert_eq!(found[0].label.as_deref(), Some("`b` comes after `a`"));
        assert_eq!(found[0].help.as_deref(), Some("drop one of these `after`s"));
    }

    #[test]
    fn every_knot_is_reported_once_by_its_shortest_cycle() {
        assert_eq!(
            cycles_of(&[
                ("a", &["c", "b"]),
                ("b", &["a"]),
                ("c", &["b"]),
                ("x", &["y"]),
                ("y", &["x"]),
            ]),
            [
                (
                    100,
                    "the workloads wait for each other: a -> b -> a".to_owned()
                ),
                (
                    400,
                    "the workloads wait for each other: x -> y -> x".to_owned()
                ),
            ]
        );
    }

    proptest! {
        #[test]
        fn an_order_has_every_node_once_after_its_predecessors(
            edges in prop::collection::vec((0..8_usize, 0..8_usize), 0..20),
        ) {
            let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
            let after: Vec<Vec<&str>> = (0..8)
                .map(|to| edges.iter().filter(|edge| edge.1 == to).map(|edge| names[edge.0]).collect())
                .collect();
            let nodes: Vec<(&str, &[&str])> =
                names.iter().zip(&after).map(|(name, after)| (*name, after.as_slice())).collect();
            match order(&workloads(&nodes)) {
                Ok(order) => {
                    prop_assert_eq!(order.len(), 8);
                    let place = |name: &str| order.iter().position(|n| n == name).unwrap();
                    for (name, after) in nodes {
                        prop_assert!(after.iter().all(|before| place(before) < place(name)));
                    }
                }
                Err(cycles) => prop_assert!(!cycles.is_empty()),
            }
        }
    }
}
