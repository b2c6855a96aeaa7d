package dev.mlxnative;

/** The native library could not be loaded. The message says what was tried and what to do about it. */
public final class NativeLibraryException extends MlxException {
    private static final long serialVersionUID = 1L;

    NativeLibraryException(String message) {
        super(message);
    }

    NativeLibraryException(String message, Throwable cause) {
        super(message, cause);
    }
}
