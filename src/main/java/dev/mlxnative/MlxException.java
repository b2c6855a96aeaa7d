package dev.mlxnative;

/** The machine, its driver or a native library refused a request. */
public class MlxException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** An exception without a cause. */
    public MlxException(String message) {
        super(message);
    }

    /** An exception with a cause. */
    public MlxException(String message, Throwable cause) {
        super(message, cause);
    }
}
