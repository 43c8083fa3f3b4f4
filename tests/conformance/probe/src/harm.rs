//! What a gateway must end.

use alloc::vec::Vec;
use core::hint::black_box;

pub(crate) fn calculate_for_ever() -> ! {
    let mut n = 0u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

/// How deep it came, if it ever comes back.
#[allow(unconditional_recursion, reason = "that is the harm")]
pub(crate) fn call_itself(depth: u64) -> u64 {
    let kept = black_box([depth; 64]);
    call_itself(depth + 1) + kept[(depth % 64) as usize]
}

/// Takes memory, all of which is in use until the session ends.
pub(crate) fn take_memory(mebibytes: u32) -> Vec<Vec<u8>> {
    (0..mebibytes)
        .map(|n| black_box(alloc::vec![(n % 255) as u8 + 1; 1 << 20]))
        .collect()
}
