package dev.mlxnative;

/**
 * The compiler refused the source of a library or of a kernel. The message is the compiler's whole log: for each fault
 * the line and the column, as in {@code 4:10: error: use of undeclared identifier 'x'}, and the line of the source.
 */
public final class CompilationException extends MlxException {
    private static final long serialVersionUID = 1L;

    /** A refusal with the compiler's log. */
    public CompilationException(String log) {
        super(log);
    }
}
