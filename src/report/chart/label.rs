//! Names beside points, without one lying over another: a label that finds no room is left out,
//! and its point still says its name when it is asked.

/// Width of a character of a label, in pixels: the mean of a sans serif of 12 pixels, rounded up.
pub const CHARACTER: f64 = 6.8;

/// Height of a line of text.
const LINE: f64 = 14.0;

/// Distance of a label from its point.
const GAP: f64 = 9.0;

/// A rectangle in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Area {
    fn meets(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn holds(&self, inner: &Self) -> bool {
        self.left <= inner.left
            && inner.right <= self.right
            && self.top <= inner.top
            && inner.bottom <= self.bottom
    }
}

/// Where a label begins, on the line that its letters stand on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    pub x: f64,
    pub y: f64,
}

/// How wide a text will be.
pub fn width(text: &str) -> f64 {
    text.chars().count() as f64 * CHARACTER
}

/// Finds room for the labels, the first ones first: right of the point, left, above, below, then
/// the corners. No label covers another, nor any point, nor leaves the area.
pub fn place(points: &[(f64, f64)], labels: &[Option<&str>], area: Area) -> Vec<Option<Place>> {
    let dots: Vec<Area> = points
        .iter()
        .map(|&(x, y)| Area {
            left: x - 5.0,
            top: y - 5.0,
            right: x + 5.0,
            bottom: y + 5.0,
        })
        .collect();
    let mut taken: Vec<Area> = Vec::new();
    let mut places = Vec::new();
    for (&(x, y), label) in points.iter().zip(labels) {
        let found = label.and_then(|label| {
            let wide = width(label);
            let candidates = [
                (x + GAP, y),
                (x - GAP - wide, y),
                (x - wide / 2.0, y - LINE),
                (x - wide / 2.0, y + LINE),
                (x + GAP, y - LINE * 0.8),
                (x + GAP, y + LINE * 0.8),
                (x - GAP - wide, y - LINE * 0.8),
                (x - GAP - wide, y + LINE * 0.8),
            ];
            candidates.into_iter().find_map(|(left, middle)| {
                let own = Area {
                    left,
                    top: middle - LINE / 2.0,
                    right: left + wide,
                    bottom: middle + LINE / 2.0,
                };
                let is_free =
                    area.holds(&own) && !taken.iter().chain(&dots).any(|other| own.meets(other));
                is_free.then(|| {
                    taken.push(own);
                    Place {
                        x: left,
                        y: middle + 4.0,
                    }
                })
            })
        });
        places.push(found);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Area = Area {
        left: 0.0,
        top: 0.0,
        right: 200.0,
        bottom: 100.0,
    };

    #[test]
    fn a_label_stands_right_of_its_point_or_where_there_is_room() {
        let places = place(
            &[(20.0, 50.0), (190.0, 50.0)],
            &[Some("one"), Some("two")],
            AREA,
        );
        assert_eq!(places[0].unwrap().x, 29.0);
        assert!(places[1].unwrap().x < 190.0, "left of the edge");
    }

    #[test]
    fn no_label_covers_another_or_a_point() {
        let points = [(50.0, 50.0), (54.0, 50.0), (58.0, 52.0), (120.0, 50.0)];
        let labels = [Some("alpha"), Some("beta"), Some("gamma"), None];
        let places = place(&points, &labels, AREA);
        assert_eq!(places[3], None);
        let boxes: Vec<Area> = places
            .iter()
            .zip(labels)
            .filter_map(|(place, label)| {
                let (place, label) = (place.as_ref()?, label?);
                Some(Area {
                    left: place.x,
                    top: place.y - 11.0,
                    right: place.x + width(label),
                    bottom: place.y + 3.0,
                })
            })
            .collect();
        assert!(boxes.len() >= 2);
        for (at, one) in boxes.iter().enumerate() {
            assert!(boxes[at + 1..].iter().all(|other| !one.meets(other)));
        }
    }

    #[test]
    fn without_room_there_is_no_label() {
        let small = Area {
            right: 30.0,
            ..AREA
        };
        assert_eq!(
            place(&[(15.0, 50.0)], &[Some("a long name")], small),
            [None]
        );
    }
}
