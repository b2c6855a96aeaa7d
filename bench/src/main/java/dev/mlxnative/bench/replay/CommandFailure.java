package dev.mlxnative.bench.replay;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/** A command cannot go on. The message says all that there is to say, so nobody needs to see a stack trace. */
public final class CommandFailure extends Exception {

    private static final long serialVersionUID = 1L;

    private final int exitCode;

    public CommandFailure(String message, int exitCode, @Nullable Exception cause) {
        super(message, cause);
        this.exitCode = exitCode;
    }

    /** A file that the user named cannot be used. */
    public CommandFailure(Path file, IOException cause) {
        this(file + ": " + reason(cause), CommandLine.ExitCode.USAGE, cause);
    }

    /** What the program ends with. */
    public int exitCode() {
        return exitCode;
    }

    private static String reason(IOException e) {
        if (e instanceof NoSuchFileException) {
            return "no such file or directory";
        }
        if (e instanceof AccessDeniedException) {
            return "access denied";
        }
        String reason = e instanceof FileSystemException failure ? failure.getReason() : e.getMessage();
        return reason != null ? reason : e.toString();
    }
}
