package dev.mlxnative.bench.replay;

import dev.mlxnative.bench.cli.CommandFailure;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;

/** Reads the traces that a command replays: those that the user named, or all of the default directory. */
public final class TraceFiles {

    public static final String DEFAULT_DIRECTORY = "bench/traces";

    /** The system property that names the default directory. */
    private static final String DIRECTORY_PROPERTY = "replay.traces";

    private TraceFiles() {}

    /**
     * Reads all traces at once, so that a malformed one fails the command before it replays the others.
     *
     * @param files the files to read; if empty, every file of the default directory
     */
    static List<Trace> read(List<Path> files, ReadOptions options) throws CommandFailure {
        var traces = new ArrayList<Trace>();
        for (Path file : files.isEmpty() ? defaultFiles() : files) {
            try {
                traces.add(TraceReader.read(file, options));
            } catch (MalformedTraceException e) {
                throw new CommandFailure(String.valueOf(e.getMessage()), CommandLine.ExitCode.USAGE, e);
            } catch (IOException e) {
                throw new CommandFailure(file, e);
            }
        }
        return traces;
    }

    private static List<Path> defaultFiles() throws CommandFailure {
        Path directory = Path.of(System.getProperty(DIRECTORY_PROPERTY, DEFAULT_DIRECTORY));
        try (var entries = Files.list(directory)) {
            List<Path> files = entries.filter(Files::isRegularFile)
                    .filter(file -> !file.getFileName().toString().startsWith("."))
                    .sorted()
                    .toList();
            if (files.isEmpty()) {
                throw new IOException("no traces in it");
            }
            return files;
        } catch (IOException e) {
            throw new CommandFailure(directory, e);
        }
    }
}
