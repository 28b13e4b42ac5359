//! Speaking to valgrind's memcheck: marking bytes undefined, and asking how many errors it found.
//!
//! A client request is a sequence of instructions that does nothing on a processor and that
//! valgrind recognises (`valgrind.h`, "VALGRIND_DO_CLIENT_REQUEST"). On the x86-64 only; elsewhere,
//! and outside valgrind, nothing happens and [`running`] is false.

const RUNNING_ON_VALGRIND: usize = 0x1001;
const COUNT_ERRORS: usize = 0x1201;
const MAKE_MEM_UNDEFINED: usize = 0x4d43_0001;
const MAKE_MEM_DEFINED: usize = 0x4d43_0002;

/// Whether this program runs under valgrind.
pub(crate) fn running() -> bool {
    request(RUNNING_ON_VALGRIND, [0; 2]) != 0
}

/// Errors found so far, every occurrence counted.
pub(crate) fn errors() -> usize {
    request(COUNT_ERRORS, [0; 2])
}

/// From here on a jump or an address that depends on these bytes is an error.
pub(crate) fn make_undefined(bytes: &mut [u8]) {
    request(MAKE_MEM_UNDEFINED, [bytes.as_mut_ptr().addr(), bytes.len()]);
}

/// A copy of these bytes that is public.
pub(crate) fn published(bytes: &[u8]) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    request(MAKE_MEM_DEFINED, [copy.as_mut_ptr().addr(), copy.len()]);
    copy
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the one way to speak to valgrind")]
fn request(code: usize, arguments: [usize; 2]) -> usize {
    let message = [code, arguments[0], arguments[1], 0, 0, 0];
    let answer: usize;
    // SAFETY: the rotations of rdi add up to 128 bits and rbx is exchanged with itself, so without
    // valgrind nothing changes but rdx, which is named. Under valgrind the request reads `message`
    // and writes rdx; it changes what valgrind knows about memory, not the memory.
    unsafe {
        core::arch::asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") message.as_ptr(),
            inout("rdx") 0usize => answer,
            options(nostack),
        );
    }
    answer
}

#[cfg(not(target_arch = "x86_64"))]
fn request(_: usize, _: [usize; 2]) -> usize {
    0
}
