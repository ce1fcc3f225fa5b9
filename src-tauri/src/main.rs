//! Tributary's window.
fn main() {
    tributary_desktop::run();
}
