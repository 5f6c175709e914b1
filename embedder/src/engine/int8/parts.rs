//! The compiled model in 8 bits: one file with all weights, each at a multiple of 64 bytes, in an order that follows from the
//! model's configuration alone. So it needs no table of contents, and is mapped by all processes.

use std::marker::PhantomData;
use std::ops::Deref;

use memmap2::Mmap;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::encoder::{Embeddings, Linear, Norm, Weights};
use super::kernels::{self, Buffer, FloatMatrix, Instructions, Int8Matrix, PANEL, Quantized, Then};
use crate::error::Result;
use crate::model::{Architecture, Config};

/// At what multiples of bytes weights stand: the kernels read so many at once.
const ALIGNMENT: usize = 64;

/// Where something stands in the file.
#[derive(Debug, Clone, Copy)]
pub struct Place<T> {
    start: usize,
    items: usize,
    of: PhantomData<T>,
}

impl<T> Place<T> {
    /// How many items stand there.
    pub fn len(self) -> usize {
        self.items
    }
}

impl<T: FromBytes + Immutable> Place<T> {
    /// What stands there. Nothing in a file that is too short, which [`Parts::bytes`] rules out.
    pub fn of(self, file: &[u8]) -> &[T] {
        let bytes = file.get(self.start..self.start + self.items * size_of::<T>()).unwrap_or_default();
        <[T]>::ref_from_bytes(bytes).unwrap_or_default()
    }
}

impl<T: IntoBytes + Immutable> Place<T> {
    /// Writes there, as many items as there are at most; the others stay zero.
    pub fn put(self, file: &mut [u8], items: &[T]) {
        let bytes = &mut file[self.start..self.start + self.items * size_of::<T>()];
        bytes.iter_mut().zip(items.as_bytes()).for_each(|(to, from)| *to = *from);
    }
}

/// Gives places, one behind the other.
#[derive(Default)]
struct Places {
    end: usize,
}

impl Places {
    fn next<T>(&mut self, items: usize) -> Place<T> {
        let start = self.end.next_multiple_of(ALIGNMENT);
        self.end = start + items * size_of::<T>();
        Place { start, items, of: PhantomData }
    }

    fn norm(&mut self, width: usize) -> [Place<f32>; 2] {
        [(); 2].map(|()| self.next(width.next_multiple_of(PANEL)))
    }

    fn linear(&mut self, inputs: usize, outputs: usize, parts: usize) -> LinearPlaces {
        let padded = outputs.next_multiple_of(PANEL);
        LinearPlaces {
            inputs,
            outputs,
            parts,
            factors: self.next(inputs),
            values: self.next(inputs.next_multiple_of(4) * padded),
            sums: self.next(parts * padded),
            scales: self.next(parts * padded),
            bias: self.next(padded),
        }
    }
}

/// The places of a linear layer in 8 bits.
#[derive(Debug, Clone, Copy)]
pub struct LinearPlaces {
    pub inputs: usize,
    pub outputs: usize,
    /// In how many parts the inputs are, each with scales of its own.
    pub parts: usize,
    /// What the activations are multiplied by before they are quantised.
    pub factors: Place<f32>,
    pub values: Place<i8>,
    pub sums: Place<i32>,
    pub scales: Place<f32>,
    pub bias: Place<f32>,
}

/// The places of a dense layer in float32.
#[derive(Debug, Clone, Copy)]
pub struct DensePlaces {
    inputs: usize,
    outputs: usize,
    pub values: Place<f32>,
    pub bias: Place<f32>,
}

/// The places of a layer of the encoder.
#[derive(Debug)]
pub struct LayerPlaces {
    pub linear: [LinearPlaces; 4],
    pub norms: [[Place<f32>; 2]; 2],
}

/// The places of everything in the file of a model.
#[derive(Debug)]
pub struct Parts {
    pub word: Place<f32>,
    pub position: Place<f32>,
    pub norm: [Place<f32>; 2],
    pub layers: Vec<LayerPlaces>,
    pub dense: Vec<DensePlaces>,
    /// The size of the file.
    pub bytes: usize,
}

impl Parts {
    pub fn of(config: &Config) -> Self {
        let mut places = Places::default();
        let positions = match config.architecture {
            // Counted from the padding token's.
            Architecture::Roberta => config.positions.saturating_sub(config.padding),
            Architecture::Bert | Architecture::DistilBert => config.positions,
        };
        let word = places.next(config.vocabulary * config.hidden);
        let position = places.next(positions * config.hidden);
        let norm = places.norm(config.hidden);
        let layer = |_| LayerPlaces {
            linear: Linear::ALL.map(|linear| {
                let (inputs, outputs) = linear.shape(config);
                places.linear(inputs, outputs, linear.parts(config))
            }),
            norms: Norm::ALL.map(|_| places.norm(config.hidden)),
        };
        let layers = (0..config.layers).map(layer).collect();
        let dense = config.dense().map(|dense| {
            let padded = dense.outputs.next_multiple_of(PANEL);
            let (values, bias) = (places.next(dense.inputs * padded), places.next(padded));
            DensePlaces { inputs: dense.inputs, outputs: dense.outputs, values, bias }
        });
        let dense = dense.collect();
        Self { word, position, norm, layers, dense, bytes: places.end }
    }
}

/// The bytes of a compiled model.
pub enum Bytes {
    Mapped(Mmap),
    /// Of a model for which there is no place on disk.
    Owned(Buffer<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// Weights in 8 bits, and room for the activations that they are multiplied with.
pub struct Int8Weights {
    parts: Parts,
    bytes: Bytes,
    quantized: Vec<Room>,
}

/// Room for rows of one width.
struct Room {
    inputs: usize,
    parts: usize,
    rows: usize,
    quantized: Quantized,
}

impl Room {
    fn is_for(&self, places: LinearPlaces) -> bool {
        (self.inputs, self.parts) == (places.inputs, places.parts)
    }
}

impl Int8Weights {
    pub fn new(parts: Parts, bytes: Bytes) -> Self {
        Self { parts, bytes, quantized: Vec::new() }
    }

    /// The file's content.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Frees the room for activations.
    pub fn give_back(&mut self) {
        self.quantized.clear();
    }
}

impl Weights for Int8Weights {
    fn embeddings(&self) -> Embeddings<'_> {
        let [gamma, beta] = self.parts.norm.map(|part| part.of(&self.bytes));
        Embeddings { word: self.parts.word.of(&self.bytes), position: self.parts.position.of(&self.bytes), gamma, beta }
    }

    fn norm(&self, layer: usize, norm: Norm) -> [&[f32]; 2] {
        self.parts.layers[layer].norms[norm as usize].map(|part| part.of(&self.bytes))
    }

    fn dense(&self, number: usize) -> FloatMatrix<'_> {
        let DensePlaces { inputs, outputs, values, bias } = self.parts.dense[number];
        FloatMatrix { inputs, outputs, values: values.of(&self.bytes), bias: bias.of(&self.bytes) }
    }

    fn multiply(
        &mut self,
        instructions: Instructions,
        (layer, linear): (usize, Linear),
        x: &[f32],
        rows: usize,
        then: Then,
        out: &mut [f32],
    ) -> Result<()> {
        let places = self.parts.layers[layer].linear[linear as usize];
        let matrix = Int8Matrix {
            inputs: places.inputs,
            outputs: places.outputs,
            parts: places.parts,
            values: places.values.of(&self.bytes),
            sums: places.sums.of(&self.bytes),
            scales: places.scales.of(&self.bytes),
            bias: places.bias.of(&self.bytes),
        };
        let LinearPlaces { inputs, parts, .. } = places;
        if !self.quantized.iter().any(|room| room.is_for(places) && room.rows >= rows) {
            let quantized = Quantized::new(rows, inputs, parts)?;
            self.quantized.retain(|room| !room.is_for(places));
            self.quantized.push(Room { inputs, parts, rows, quantized });
        }
        for Room { quantized, .. } in self.quantized.iter_mut().filter(|room| room.is_for(places)) {
            quantized.fill(instructions, x, rows, parts, places.factors.of(&self.bytes));
            kernels::multiply_int8(instructions, quantized, matrix, then, out);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_aligned_and_apart() {
        let mut places = Places::default();
        let (bytes, floats) = (places.next::<u8>(3), places.next::<f32>(2));
        let last = places.next::<i32>(1);
        assert_eq!((bytes.start, floats.start, last.start, places.end), (0, 64, 128, 132));
        let mut file = Buffer::zeroed(places.end).unwrap();
        floats.put(&mut file, &[1.5, -2.]);
        bytes.put(&mut file, &[7]);
        last.put(&mut file, &[-1]);
        assert_eq!(floats.of(&file), [1.5, -2.]);
        assert_eq!(bytes.of(&file), [7, 0, 0]);
        assert_eq!(last.of(&file), [-1]);
    }
}
