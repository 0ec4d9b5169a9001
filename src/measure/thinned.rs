//! A series that is gathered for hours in bounded memory: all of its points as long as they are
//! few, then every second, every fourth.

/// Points one after another; of too many, evenly spread ones are kept.
#[derive(Debug, Clone)]
pub struct Thinned<T> {
    kept: Vec<T>,
    most: usize,
    /// Every so many points one is kept.
    stride: u64,
    n: u64,
}

impl<T> Thinned<T> {
    /// Keeps at most so many, which is at least two.
    pub fn new(most: usize) -> Self {
        Self {
            kept: Vec::new(),
            most: most.max(2),
            stride: 1,
            n: 0,
        }
    }

    pub fn push(&mut self, point: T) {
        if self.n.is_multiple_of(self.stride) {
            if self.kept.len() == self.most {
                let mut number = 0_usize;
                self.kept.retain(|_| {
                    number += 1;
                    number % 2 == 1
                });
                self.stride *= 2;
            }
            if self.n.is_multiple_of(self.stride) {
                self.kept.push(point);
            }
        }
        self.n += 1;
    }

    pub fn points(&self) -> &[T] {
        &self.kept
    }

    /// Every so many points one was kept; 1 while all are.
    pub fn stride(&self) -> u64 {
        self.stride
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_points_are_kept_until_they_are_many_and_then_even_ones() {
        let of = |n: u32| {
            let mut series = Thinned::new(8);
            (0..n).for_each(|point| series.push(point));
            (series.points().to_vec(), series.stride())
        };
        assert_eq!(of(8), ((0..8).collect(), 1));
        assert_eq!(of(9), (vec![0, 2, 4, 6, 8], 2));
        assert_eq!(of(17), (vec![0, 4, 8, 12, 16], 4));
        let (kept, stride) = of(1000);
        assert!(kept.len() <= 8 && kept.len() >= 4);
        assert!(
            kept.windows(2)
                .all(|pair| u64::from(pair[1] - pair[0]) == stride)
        );
    }
}
