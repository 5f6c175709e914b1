//! Which instructions of the processor are used.

/// Instructions that kernels are compiled for; the later, the faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instructions {
    /// Those that every processor of the architecture has.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 with its dot products of bytes.
    Avx512Vnni,
    /// The same, and AMX for products of bytes.
    Amx,
}

impl Instructions {
    /// The fastest that this processor has.
    pub fn best() -> Self {
        Self::here().pop().unwrap_or(Self::Portable)
    }

    /// All that this processor has.
    pub fn here() -> Vec<Self> {
        let all = [Self::Portable, Self::Avx2, Self::Avx512Vnni, Self::Amx];
        all.into_iter().filter(|instructions| instructions.are_here()).collect()
    }

    fn are_here(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => super::x86::Avx2::get().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => super::x86::Avx512::get().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Amx => super::amx::Amx::get().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_the_last_of_those_here() {
        assert_eq!(Instructions::here().last(), Some(&Instructions::best()));
        assert_eq!(Instructions::here().first(), Some(&Instructions::Portable));
        assert!(Instructions::here().is_sorted());
    }
}
