//! From pixel data to PNG: modality slope, window, palette-free grey and RGB.
//!
//! Source: DICOM PS3.3, sections C.7.6.3 (image pixel), C.11.1 (rescale), C.11.2 (window);
//! PS3.5, section 8. A picture has at most [`SIDE`] points a side; larger ones are thinned.

use crate::{
    record::model::{Picture, Remark},
    words::chart as w,
};

use super::{
    read::{self, Data, Pixels, Tag},
    rle,
};

pub(crate) const ROWS: Tag = (0x0028, 0x0010);
pub(crate) const COLUMNS: Tag = (0x0028, 0x0011);
const SAMPLES: Tag = (0x0028, 0x0002);
const INTERPRETATION: Tag = (0x0028, 0x0004);
const PLANAR: Tag = (0x0028, 0x0006);
const FRAMES: Tag = (0x0028, 0x0008);
const ALLOCATED: Tag = (0x0028, 0x0100);
const STORED: Tag = (0x0028, 0x0101);
const SIGNED: Tag = (0x0028, 0x0103);
const CENTRE: Tag = (0x0028, 0x1050);
const WIDTH: Tag = (0x0028, 0x1051);
const INTERCEPT: Tag = (0x0028, 0x1052);
const SLOPE: Tag = (0x0028, 0x1053);

/// Most points a side of a picture.
const SIDE: usize = 1024;
/// Most pictures of a file with many frames.
const PICTURES: usize = 4;

/// What the header says of one frame.
struct Shape {
    rows: usize,
    columns: usize,
    samples: usize, // 1 or 3
    bytes: usize,   // of a sample, 1 or 2
    stored: u32,    // bits, at most 8 * bytes
    signed: bool,
    planar: bool,
    inverse: bool,
    frames: usize,
}

/// Draws a few frames, evenly spread.
pub(crate) fn draw(data: &Data<'_>) -> Result<Vec<Picture>, Remark> {
    if data.pixels.is_none() && data.number(ROWS).is_none() {
        return Err(Remark::plain(w::NO_PICTURE));
    }
    if !read::drawn(&data.syntax) {
        return Err(Remark::of(w::SYNTAX_NOT_DRAWN, &data.syntax));
    }
    let shape = shape(data)?;
    let size = shape.rows * shape.columns * shape.samples * shape.bytes; // below 2^35
    let shown = shape.frames.min(PICTURES);
    let mut pictures = Vec::new();
    for at in 0..shown {
        let index = if shown < 2 {
            0
        } else {
            at * (shape.frames - 1) / (shown - 1)
        };
        let unpacked;
        let (frame, planar, big) = match &data.pixels {
            Some(Pixels::Plain(bytes)) => {
                let from = index.checked_mul(size);
                let frame = from.and_then(|from| bytes.get(from..)?.get(..size));
                (
                    frame.ok_or(Remark::plain(w::PIXELS_MISSING))?,
                    shape.planar,
                    false,
                )
            }
            Some(Pixels::Fragments(fragments)) => {
                // One fragment a frame; RLE does not split them (PS3.5, A.4.2).
                let planes = shape.samples * shape.bytes;
                let packed = fragments.get(index + 1).copied().unwrap_or_default();
                unpacked =
                    rle::unpack(packed, planes, size).ok_or(Remark::plain(w::PIXELS_MISSING))?;
                (unpacked.as_slice(), true, true)
            }
            None => return Err(Remark::plain(w::PIXELS_MISSING)),
        };
        let frame = Frame {
            bytes: frame,
            shape: &shape,
            planar,
            planes_of_bytes: big,
        };
        let (pixels, width, height) = frame.points(data);
        let png = encode(&pixels, width, height, shape.samples == 3)
            .ok_or(Remark::plain(w::PIXELS_MISSING))?;
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        pictures.push(Picture {
            png,
            width: number(width),
            height: number(height),
            frame: (number(index + 1), number(shape.frames)),
        });
    }
    Ok(pictures)
}

fn shape(data: &Data<'_>) -> Result<Shape, Remark> {
    let number = |tag: Tag| data.number(tag).map(usize::from);
    let allocated = number(ALLOCATED).unwrap_or(0);
    let samples = number(SAMPLES).unwrap_or(1);
    let interpretation = data.text(INTERPRETATION);
    let kind = format!("{interpretation}, {samples} × {allocated} bit");
    let drawn = matches!(
        (samples, allocated, interpretation.as_str()),
        (1, 8 | 16, "MONOCHROME1" | "MONOCHROME2") | (3, 8, "RGB")
    );
    if !drawn {
        return Err(Remark::of(w::PIXELS_NOT_DRAWN, kind));
    }
    let (rows, columns) = (number(ROWS).unwrap_or(0), number(COLUMNS).unwrap_or(0));
    if rows == 0 || columns == 0 {
        return Err(Remark::plain(w::PIXELS_MISSING));
    }
    let stored = data.number(STORED).map_or(allocated as u32, u32::from);
    Ok(Shape {
        rows,
        columns,
        samples,
        bytes: allocated / 8,
        stored: stored.clamp(1, allocated as u32),
        signed: number(SIGNED) == Some(1),
        planar: number(PLANAR) == Some(1),
        inverse: interpretation == "MONOCHROME1",
        frames: data
            .text(FRAMES)
            .parse()
            .unwrap_or(1_usize)
            .clamp(1, 1_000_000),
    })
}

struct Frame<'a> {
    bytes: &'a [u8],
    shape: &'a Shape,
    planar: bool,
    /// RLE: the bytes of a sample in planes of their own, the most significant first.
    planes_of_bytes: bool,
}

impl Frame<'_> {
    /// Grey or RGB, one byte a sample, with width and height.
    fn points(&self, data: &Data<'_>) -> (Vec<u8>, usize, usize) {
        let Shape {
            rows,
            columns,
            samples,
            ..
        } = *self.shape;
        let step = rows.max(columns).div_ceil(SIDE);
        let (width, height) = (columns.div_ceil(step), rows.div_ceil(step));
        let places = || {
            (0..height).flat_map(move |y| (0..width).map(move |x| y * step * columns + x * step))
        };
        if samples == 3 {
            let points = places()
                .flat_map(|place| (0..3).map(move |sample| (place, sample)))
                .map(|(place, sample)| {
                    let at = if self.planar {
                        sample * rows * columns + place
                    } else {
                        place * 3 + sample
                    };
                    self.bytes.get(at).copied().unwrap_or(0)
                })
                .collect();
            return (points, width, height);
        }
        let slope = data
            .decimal(SLOPE)
            .filter(|slope| *slope != 0.0)
            .unwrap_or(1.0);
        let intercept = data.decimal(INTERCEPT).unwrap_or(0.0);
        let values: Vec<f64> = places()
            .map(|place| self.value(place) * slope + intercept)
            .collect();
        let (low, high) = match (data.decimal(CENTRE), data.decimal(WIDTH)) {
            (Some(centre), Some(width)) if width >= 1.0 => {
                (centre - width / 2.0, centre + width / 2.0)
            }
            _ => bounds(&values),
        };
        let scale = 255.0 / (high - low).max(f64::MIN_POSITIVE);
        let points = values
            .iter()
            .map(|value| {
                let grey = ((value - low) * scale).clamp(0.0, 255.0) as u8;
                if self.shape.inverse { 255 - grey } else { grey }
            })
            .collect();
        (points, width, height)
    }

    /// A stored value with its sign.
    fn value(&self, place: usize) -> f64 {
        let byte = |at: usize| u32::from(self.bytes.get(at).copied().unwrap_or(0));
        let raw = match (self.shape.bytes, self.planes_of_bytes) {
            (1, _) => byte(place),
            (_, true) => byte(place) << 8 | byte(self.bytes.len() / 2 + place),
            (_, false) => byte(2 * place) | byte(2 * place + 1) << 8,
        };
        let bits = self.shape.stored; // 1..=16
        let raw = raw & ((1 << bits) - 1);
        if self.shape.signed && raw >> (bits - 1) == 1 {
            f64::from(raw) - f64::from(1_u32 << bits)
        } else {
            f64::from(raw)
        }
    }
}

/// The values between which nearly all lie: without a window, one bright point must not
/// blacken the rest.
fn bounds(values: &[f64]) -> (f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |share: usize| {
        sorted
            .get(sorted.len().saturating_sub(1) * share / 1000)
            .copied()
    };
    let (low, high) = (at(5).unwrap_or(0.0), at(995).unwrap_or(0.0));
    if high > low {
        (low, high)
    } else {
        (low, low + 1.0)
    }
}

fn encode(points: &[u8], width: usize, height: usize, colour: bool) -> Option<Vec<u8>> {
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, width.try_into().ok()?, height.try_into().ok()?);
    encoder.set_color(if colour {
        png::ColorType::Rgb
    } else {
        png::ColorType::Grayscale
    });
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(points).ok()?;
    writer.finish().ok()?;
    Some(png)
}
