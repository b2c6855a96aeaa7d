package dev.mlxnative.bench.cli;

import dev.mlxnative.MlxException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/** Ends a command with an exit code. Its message is complete: the command prints it without a stack trace. */
public final class CommandFailure extends Exception {

    private static final long serialVersionUID = 1L;

    private final int exitCode;

    public CommandFailure(String message, int exitCode, @Nullable Exception cause) {
        super(message, cause);
        this.exitCode = exitCode;
    }

    /** For a file that the user named and that the command cannot read or write. */
    public CommandFailure(Path file, IOException cause) {
        this(file + ": " + reason(cause), CommandLine.ExitCode.USAGE, cause);
    }

    /**
     * Prints the message of a failure, or of what the device refuses, and returns the exit code; a handler for picocli.
     */
    public static int handle(Exception exception, CommandLine command, CommandLine.ParseResult result)
            throws Exception {
        int exitCode = switch (exception) {
            case CommandFailure failure -> failure.exitCode;
            case MlxException refused -> CommandLine.ExitCode.SOFTWARE;
            default -> throw exception;
        };
        command.getErr().println(exception.getMessage());
        command.getErr().flush();
        return exitCode;
    }

    private static String reason(IOException e) {
        if (e instanceof NoSuchFileException) {
            return "no such file or directory";
        }
        if (e instanceof AccessDeniedException) {
            return "access denied";
        }
        if (e instanceof CharacterCodingException) {
            return "is not text in UTF-8";
        }
        String reason = e instanceof FileSystemException failure ? failure.getReason() : e.getMessage();
        return reason != null ? reason : e.toString();
    }
}
