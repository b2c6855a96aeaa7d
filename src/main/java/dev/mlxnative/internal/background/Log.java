package dev.mlxnative.internal.background;

import java.lang.System.Logger.Level;

/**
 * Logs what the library cannot throw. A logger is foreign code: what it throws is dropped, because whatever it was to
 * report goes on.
 */
public final class Log {
    private static final String NAME = "dev.mlxnative";

    private Log() {}

    /** Logs a warning, whose parameters replace {@code {0}}, {@code {1}} and so on. */
    public static void warn(String message, Object... parameters) {
        try {
            System.getLogger(NAME).log(Level.WARNING, message, parameters);
        } catch (Throwable dropped) {
            // There is no other place to report it to.
        }
    }

    /** Logs a warning with its cause. */
    public static void warn(String message, Throwable cause) {
        try {
            System.getLogger(NAME).log(Level.WARNING, message, cause);
        } catch (Throwable dropped) {
            // There is no other place to report it to.
        }
    }
}
