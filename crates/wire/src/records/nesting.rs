//! Which brackets are open. A bit for each instead of a call for each: input cannot use up the stack.

/// Most brackets that may be open at once.
pub(super) const DEEPEST: u32 = u128::BITS;

/// What is open, innermost in the lowest bit: 1 is an object, 0 an array.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Nesting {
    kinds: u128,
    depth: u32,
}

impl Nesting {
    pub fn depth(self) -> u32 {
        self.depth
    }

    pub fn in_object(self) -> bool {
        self.depth > 0 && self.kinds & 1 == 1
    }

    pub fn open(&mut self, bracket: u8) -> Result<(), &'static str> {
        if self.depth == DEEPEST {
            return Err("values are nested more than 128 deep");
        }
        self.kinds = (self.kinds << 1) | u128::from(bracket == b'{');
        self.depth += 1;
        Ok(())
    }

    pub fn close(&mut self, bracket: u8) -> Result<(), &'static str> {
        if self.depth == 0 || self.in_object() != (bracket == b'}') {
            return Err("a bracket closes that is not open");
        }
        self.kinds >>= 1;
        self.depth -= 1;
        Ok(())
    }
}
