//! `cargo xtask picture`: records `demo --once` and draws it as an animated SVG, `docs/demo.svg`.
//!
//! Block characters are drawn as rectangles: in most fonts a QR code made of characters has gaps,
//! and no phone can read it.

use std::{
    fmt::Write as _,
    fs,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{project, setup, step};

const LIMIT: Duration = Duration::from_secs(180);
const COLUMNS: usize = 108;
const ROW: f32 = 17.0;
const COLUMN: f32 = 8.4;
const MARGIN: f32 = 16.0;
/// How long the last picture stays, in seconds.
const REST: f32 = 6.0;

struct Line {
    at: f32,
    text: String,
}

pub(crate) fn run() -> Result<()> {
    setup::with(&["wharf", "wharf-demo"])?;
    let started = Instant::now();
    let mut lines = vec![
        Line {
            at: 0.0,
            text: "$ cargo xtask demo --once".into(),
        },
        Line {
            at: 0.0,
            text: String::new(),
        },
    ];
    let mut demo = project::clean(Command::new(project::program("wharf-demo")));
    let output = step::capture(demo.args(["--once", "--port", "3001"]), LIMIT, |line| {
        lines.extend(line.map(|text| Line {
            at: started.elapsed().as_secs_f32(),
            text: text.into(),
        }));
        true
    })?;
    if !output.status.success() {
        bail!(
            "the demo failed, so there is nothing to show:\n{}",
            output.text
        );
    }
    let path = project::root().join("docs/demo.svg");
    fs::write(&path, draw(&lines))?;
    eprintln!("  {} lines drawn into {}", lines.len(), path.display());
    Ok(())
}

fn draw(lines: &[Line]) -> String {
    let rows: Vec<(f32, &str, String)> = lines
        .iter()
        .flat_map(|line| {
            wrapped(&line.text)
                .into_iter()
                .map(|text| (line.at, class(&line.text), text))
        })
        .collect();
    let (width, height) = (
        COLUMNS as f32 * COLUMN + 2.0 * MARGIN,
        rows.len() as f32 * ROW + 2.0 * MARGIN,
    );
    let whole = rows.last().map_or(0.0, |row| row.0) + REST;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\">\n\
         <style>text{{font:13px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d7dce2;white-space:pre}}\
         .c{{fill:#7fd1ae}}.d{{fill:#8b949e}}.b{{fill:#f2f4f7}}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"10\" fill=\"#14191f\"/>\n"
    );
    for (index, (at, class, text)) in rows.iter().enumerate() {
        let top = MARGIN + index as f32 * ROW;
        // A viewer without animation support shows everything at once.
        let appear = format!(
            "<animate attributeName=\"opacity\" values=\"0;0;1;1\" keyTimes=\"0;{0:.4};{0:.4};1\" dur=\"{whole:.1}s\" repeatCount=\"indefinite\"/>",
            (at / whole).clamp(0.0, 0.9999)
        );
        let body = if is_blocks(text) {
            blocks(text, top)
        } else {
            words(text, class, top)
        };
        // Writing to a string cannot fail.
        let _ = writeln!(svg, "<g>{body}{appear}</g>");
    }
    svg + "</svg>\n"
}

fn wrapped(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    if letters.is_empty() {
        return vec![String::new()];
    }
    letters
        .chunks(COLUMNS)
        .map(|chunk| chunk.iter().collect())
        .collect()
}

/// The style class of a line, by its first character.
fn class(line: &str) -> &'static str {
    match line.trim_start().chars().next() {
        Some('$' | '-') => "b",
        Some('{') => "d",
        Some('✓') => "c",
        _ => "",
    }
}

fn words(text: &str, class: &str, top: f32) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    format!(
        "<text class=\"{class}\" x=\"{MARGIN}\" y=\"{:.1}\">{text}</text>",
        top + ROW * 0.75
    )
}

fn is_blocks(text: &str) -> bool {
    text.chars().any(|c| "█▀▄".contains(c)) && text.chars().all(|c| " █▀▄".contains(c))
}

/// Draws runs of full, upper-half and lower-half blocks as rectangles.
fn blocks(text: &str, top: f32) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut path = String::new();
    for (half, full) in ["█▀", "█▄"].iter().enumerate() {
        let mut at = 0;
        while at < letters.len() {
            let run = letters[at..]
                .iter()
                .take_while(|c| full.contains(**c))
                .count();
            if run > 0 {
                let (x, y) = (MARGIN + at as f32 * COLUMN, top + half as f32 * ROW / 2.0);
                // Slightly too tall and wide, so that there is no gap between neighbours.
                let _ = write!(
                    path,
                    "M{x:.1} {y:.1}h{:.1}v{:.1}h-{0:.1}z",
                    run as f32 * COLUMN + 0.1,
                    ROW / 2.0 + 0.1
                );
            }
            at += run.max(1);
        }
    }
    format!("<path class=\"b\" d=\"{path}\"/>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_becomes_rectangles_and_words_are_escaped() {
        let svg = draw(&[
            Line {
                at: 0.0,
                text: "█▀ ▄".into(),
            },
            Line {
                at: 1.0,
                text: "a < b & c".into(),
            },
        ]);
        assert!(
            svg.contains("M16.0 16.0h16.9") && svg.contains("a &lt; b &amp; c"),
            "{svg}"
        );
        assert!(!svg.contains('█'));
    }

    #[test]
    fn long_lines_are_folded() {
        assert_eq!(wrapped(&"x".repeat(COLUMNS + 1)).len(), 2);
    }
}
