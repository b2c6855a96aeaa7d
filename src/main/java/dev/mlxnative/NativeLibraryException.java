package dev.mlxnative;

/** The native library could not be loaded. The message names the file, the cause and the cure. */
public final class NativeLibraryException extends MlxException {
    private static final long serialVersionUID = 1L;

    /** An exception without a cause. */
    public NativeLibraryException(String message) {
        super(message);
    }

    /** An exception with a cause. */
    public NativeLibraryException(String message, Throwable cause) {
        super(message, cause);
    }
}
