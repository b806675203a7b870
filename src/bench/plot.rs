//! Plot: purchases a second over time as an SVG file, a line a run, a colour a lane.

use std::path::Path;

use plotters::prelude::*;

use super::{Findings, Report};

const SIZE: (u32, u32) = (1_000, 560);
/// Room above the highest point.
const HEADROOM: f64 = 1.08;

/// Draws the curves of every run.
///
/// # Errors
/// If there is nothing to draw, or the file cannot be written.
pub fn write(report: &Report, path: &Path) -> anyhow::Result<()> {
    let findings = &report.findings;
    let lines: Vec<(usize, Vec<(f64, f64)>)> = rates(findings);
    let points = || lines.iter().flat_map(|(_, line)| line);
    anyhow::ensure!(points().next().is_some(), "scenario {} has no curves to plot", report.scenario);
    let seconds = points().map(|point| point.0).fold(0.0, f64::max);
    let highest = points().map(|point| point.1).fold(1.0, f64::max) * HEADROOM;

    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("{}: results a second", report.scenario), ("sans-serif", 22))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..seconds, 0.0..highest)?;
    chart.configure_mesh().x_desc("seconds").y_desc("results a second").light_line_style(WHITE).draw()?;
    for (lane, name) in findings.lanes().into_iter().enumerate() {
        let colour = Palette99::pick(lane).to_rgba();
        for (run, (_, line)) in lines.iter().filter(|(of, _)| *of == lane).enumerate() {
            let drawn = chart.draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(2)))?;
            if run == 0 {
                drawn.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
            }
        }
    }
    chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
    area.present()?;
    Ok(())
}

/// For each run its lane's number and the rate between two samples.
fn rates(findings: &Findings) -> Vec<(usize, Vec<(f64, f64)>)> {
    let lanes = findings.lanes();
    let lane_of = |name: &str| lanes.iter().position(|lane| *lane == name).unwrap_or_default();
    let steps = |curve: &[(f64, f64)]| {
        curve
            .windows(2)
            .filter_map(|pair| match pair {
                [(from, before), (to, after)] if to > from => Some((*to, (after - before) / (to - from))),
                _ => None,
            })
            .collect()
    };
    findings.runs.iter().map(|run| (lane_of(&run.name), steps(&run.curve))).collect()
}
