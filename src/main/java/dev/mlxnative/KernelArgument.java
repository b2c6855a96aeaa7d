package dev.mlxnative;

/**
 * An argument of a kernel, as the compiler reports it.
 *
 * @param name its name in the source
 * @param index its number in {@code [[buffer(n)]]} or {@code [[threadgroup(n)]]}, which count separately
 * @param written whether the kernel may write what a buffer points to
 * @param byteSize bytes of what a buffer points to, the size of a constant structure or of an element; 0 if unknown
 */
public record KernelArgument(String name, int index, Kind kind, boolean written, long byteSize) {
    /** Where the memory of an argument is. */
    public enum Kind {
        /** A buffer. Metal reports arguments in the {@code constant} address space as buffers too. */
        BUFFER,
        /** A buffer in the {@code constant} address space; the host's device alone tells it. */
        CONSTANT,
        /** Memory of the threadgroup. */
        THREADGROUP
    }
}
