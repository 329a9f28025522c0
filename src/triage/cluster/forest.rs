//! Sets that grow together, and why they did.

use super::Reason;

/// A union-find that remembers the edge of each union.
pub(super) struct Forest {
    parent: Vec<u32>,
    size: Vec<u32>,
    pub edges: Vec<(u32, u32, Reason)>,
}

impl Forest {
    pub(super) fn new(count: usize) -> Self {
        Self {
            parent: (0..u32::try_from(count).unwrap_or(u32::MAX)).collect(),
            size: vec![1; count],
            edges: Vec::new(),
        }
    }

    pub(super) fn find(&mut self, of: u32) -> u32 {
        let mut at = of;
        while self.parent[at as usize] != at {
            let up = self.parent[self.parent[at as usize] as usize];
            self.parent[at as usize] = up;
            at = up;
        }
        at
    }

    pub(super) fn join(&mut self, a: u32, b: u32, reason: Reason) {
        let (mut x, mut y) = (self.find(a), self.find(b));
        if x == y {
            return;
        }
        if self.size[x as usize] < self.size[y as usize] {
            std::mem::swap(&mut x, &mut y);
        }
        self.parent[y as usize] = x;
        self.size[x as usize] += self.size[y as usize];
        self.edges.push((a, b, reason));
    }
}
