package dev.mlxnative;

import org.jspecify.annotations.Nullable;

/** Something that the machine, its driver or its libraries refused. */
public class MlxException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    MlxException(String message) {
        super(message);
    }

    MlxException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
