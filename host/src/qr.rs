//! Renders QR codes as PNG, as SVG and as block characters for a terminal.

use qrcode::{Color, EcLevel, QrCode, render::svg, render::unicode};

/// Width of a module in pixels.
const SCALE: usize = 6;
/// Width of the white border in modules; scanners need it.
const QUIET: usize = 4;

/// The text does not fit into a QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for a QR code")]
pub struct TooLong;

fn code(text: &str) -> Result<QrCode, TooLong> {
    QrCode::with_error_correction_level(text, EcLevel::L).map_err(|_| TooLong)
}

/// Renders a text as PNG.
///
/// # Errors
/// When the text is too long.
pub fn png(text: &str) -> Result<Vec<u8>, TooLong> {
    let code = code(text)?;
    let (width, colors) = (code.width(), code.to_colors());
    let side = (width + 2 * QUIET) * SCALE;
    let dark = |x: usize, y: usize| {
        let (x, y) = (
            (x / SCALE).wrapping_sub(QUIET),
            (y / SCALE).wrapping_sub(QUIET),
        );
        x < width && y < width && colors[y * width + x] == Color::Dark
    };
    let pixels: Vec<u8> = (0..side * side)
        .map(|at| {
            if dark(at % side, at / side) {
                0
            } else {
                u8::MAX
            }
        })
        .collect();
    let mut bytes = Vec::new();
    let size = u32::try_from(side).map_err(|_| TooLong)?;
    let mut encoder = png::Encoder::new(&mut bytes, size, size);
    encoder.set_color(png::ColorType::Grayscale);
    // Writing to memory fails only for dimensions that no QR code has.
    let written = encoder.write_header().and_then(|mut writer| {
        writer
            .write_image_data(&pixels)
            .and_then(|()| writer.finish())
    });
    written.map_err(|_| TooLong)?;
    Ok(bytes)
}

/// Renders a text as SVG, at least 256 pixels wide.
///
/// # Errors
/// When the text is too long.
pub fn svg(text: &str) -> Result<String, TooLong> {
    Ok(code(text)?
        .render::<svg::Color<'_>>()
        .min_dimensions(256, 256)
        .build())
}

/// Renders a text as half blocks for a terminal with a dark background.
///
/// # Errors
/// When the text is too long.
pub fn terminal(text: &str) -> Result<String, TooLong> {
    Ok(code(text)?
        .render::<unicode::Dense1x2>()
        .dark_color(unicode::Dense1x2::Light)
        .light_color(unicode::Dense1x2::Dark)
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text of the form that WhatsApp uses.
    const TEXT: &str = "2@AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==,BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB=,CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC=,DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD=,1";

    #[test]
    fn a_scanner_reads_the_picture() {
        let bytes = png(TEXT).expect("fits");
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes))
            .read_info()
            .expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("size")];
        let info = reader.next_frame(&mut pixels).expect("a frame");
        let (width, height) = (info.width as usize, info.height as usize);
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
            pixels[y * width + x]
        });
        let (_, text) = image
            .detect_grids()
            .first()
            .expect("a QR")
            .decode()
            .expect("readable");
        assert_eq!(text, TEXT);
    }

    #[test]
    fn other_forms_are_made_and_too_much_is_refused() {
        assert!(svg(TEXT).expect("fits").contains("<svg"));
        assert!(terminal(TEXT).expect("fits").lines().count() > 20);
        assert_eq!(png(&"x".repeat(4000)), Err(TooLong));
    }
}
