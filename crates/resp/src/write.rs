//! Appends RESP commands to a buffer.

/// Appends the header of a command with `argc` arguments, its name included.
pub fn array_header(out: &mut Vec<u8>, argc: usize) {
    length_line(out, b'*', argc);
}

/// Appends the header of one argument of `len` bytes. The bytes and a CRLF must follow.
pub fn bulk_header(out: &mut Vec<u8>, len: usize) {
    length_line(out, b'$', len);
}

/// Appends one whole argument.
pub fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    bulk_header(out, bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends one argument that is a number in decimal.
pub fn bulk_int(out: &mut Vec<u8>, value: i64) {
    let mut digits = itoa::Buffer::new();
    bulk(out, digits.format(value).as_bytes());
}

/// Appends a whole command.
pub fn command(out: &mut Vec<u8>, args: &[&[u8]]) {
    array_header(out, args.len());
    for arg in args {
        bulk(out, arg);
    }
}

fn length_line(out: &mut Vec<u8>, mark: u8, len: usize) {
    let mut digits = itoa::Buffer::new();
    out.push(mark);
    out.extend_from_slice(digits.format(len).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_command_is_written_as_an_array_of_bulk_strings() {
        let mut out = Vec::new();
        super::command(&mut out, &[b"SET", b"k", b""]);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
    }
}
