//! A measured figure: its samples and what they are compared with.

use serde::Serialize;

/// One line of the result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<Ratio>,
}

/// The median against something measured in the same minute, so that figures of different machines can be compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Ratio {
    pub(crate) value: f64,
    pub(crate) of: &'static str,
}

impl Figure {
    /// A figure of at least one sample.
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let last = sorted.len().saturating_sub(1);
        let median = f64::midpoint(at(last / 2), at(last.div_ceil(2)));
        Self {
            name: name.into(),
            unit,
            median,
            min: at(0),
            max: at(last),
            ratio: None,
        }
    }

    /// The median, multiplied by `factor`, reads as a number of `of`.
    pub(crate) fn compared(mut self, factor: f64, of: &'static str) -> Self {
        self.ratio = Some(Ratio {
            value: self.median * factor,
            of,
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_lies_between_the_middle_two() {
        let figure = Figure::new("x", "s", &[4.0, 1.0, 3.0, 2.0]);
        assert_eq!((figure.median, figure.min, figure.max), (2.5, 1.0, 4.0));
    }

    #[test]
    fn the_median_of_an_odd_count_is_the_middle_one() {
        let figure = Figure::new("x", "s", &[9.0, 1.0, 3.0]);
        assert_eq!((figure.median, figure.min, figure.max), (3.0, 1.0, 9.0));
    }

    #[test]
    fn a_ratio_is_of_the_median() {
        let figure = Figure::new("x", "1/s", &[10.0]).compared(0.5, "per sync");
        assert_eq!(
            figure.ratio,
            Some(Ratio {
                value: 5.0,
                of: "per sync"
            })
        );
    }
}
