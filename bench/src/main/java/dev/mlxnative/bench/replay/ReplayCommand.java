package dev.mlxnative.bench.replay;

import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The command line: which traces to replay, where the results go, and how it ended. */
@Command(
        name = "replay",
        description = "Replays recorded allocation traces, straight on the device and through the pool.",
        exitCodeListHeading = "Exit status:%n",
        exitCodeList = {
            "0:all is well",
            "1:buffers overlapped or leaked, or the device failed",
            "2:wrong usage, or a trace that is malformed or cannot be read"
        })
public final class ReplayCommand implements Callable<Integer> {

    /** The system property that names the directory of the traces to replay when none are given. */
    private static final String TRACES_PROPERTY = "replay.traces";

    private static final String DEFAULT_TRACES = "bench/traces";

    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Option(
            names = "--json",
            paramLabel = "FILE",
            description = "Write the results to this file too, one JSON object a line.")
    private @Nullable Path json;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help and exit.")
    private boolean help;

    @Parameters(
            paramLabel = "TRACE",
            arity = "0..*",
            description = "Traces to replay, gzip or plain; by default all in " + DEFAULT_TRACES + ".")
    private List<Path> files = new ArrayList<>();

    public static void main(String[] args) {
        System.exit(new CommandLine(new ReplayCommand()).execute(args));
    }

    @Override
    public Integer call() {
        try {
            List<Trace> traces = readTraces(files.isEmpty() ? defaultFiles() : files);
            List<ReplayResult> results = json == null ? replay(traces) : replay(traces, json);
            return report(results);
        } catch (Failure e) {
            err().println(e.getMessage());
            err().flush();
            return e.exitCode;
        }
    }

    /** Reads every trace before the first is replayed, so that a malformed one does not cost the time of the others. */
    private static List<Trace> readTraces(List<Path> files) throws Failure {
        var traces = new ArrayList<Trace>();
        for (Path file : files) {
            try {
                traces.add(TraceReader.read(file));
            } catch (MalformedTraceException e) {
                throw new Failure(String.valueOf(e.getMessage()), CommandLine.ExitCode.USAGE, e);
            } catch (IOException e) {
                throw new Failure(file, e);
            }
        }
        return traces;
    }

    private static List<Path> defaultFiles() throws Failure {
        Path directory = Path.of(System.getProperty(TRACES_PROPERTY, DEFAULT_TRACES));
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
            throw new Failure(directory, e);
        }
    }

    private static List<ReplayResult> replay(List<Trace> traces, Path json) throws Failure {
        try (var file = ResultFile.open(json)) {
            List<ReplayResult> results = replay(traces);
            file.write(results);
            return results;
        } catch (IOException e) {
            throw new Failure(json, e);
        }
    }

    private static List<ReplayResult> replay(List<Trace> traces) throws Failure {
        long total = traces.stream().mapToLong(Replayer::progressOf).sum();
        var results = new ArrayList<ReplayResult>();
        try (var device = openDevice();
                var progress = Progress.ofRequests(total)) {
            var replayer = new Replayer(device);
            for (Trace trace : traces) {
                try {
                    results.add(replayer.replay(trace, progress));
                } catch (MlxException | IllegalArgumentException e) { // no memory left; no buffer can be as large
                    throw new Failure(trace.name() + ": " + e.getMessage(), CommandLine.ExitCode.SOFTWARE, e);
                }
            }
        }
        return results;
    }

    private static MlxDevice openDevice() throws Failure {
        try {
            return MlxDevice.open();
        } catch (MlxException e) {
            throw new Failure(String.valueOf(e.getMessage()), CommandLine.ExitCode.SOFTWARE, e);
        }
    }

    /** Prints the table, and then which traces showed a fault of the library: the exit status tells whether any did. */
    int report(List<ReplayResult> results) {
        out().println(ResultTable.of(results));
        out().flush();
        int exitCode = CommandLine.ExitCode.OK;
        for (ReplayResult result : results) {
            if (result.overlaps() > 0 || result.leaks() > 0) {
                err().println("%s: %d overlaps, %d leaks".formatted(result.trace(), result.overlaps(), result.leaks()));
                exitCode = CommandLine.ExitCode.SOFTWARE;
            }
        }
        err().flush();
        return exitCode;
    }

    private PrintWriter out() {
        return spec.commandLine().getOut();
    }

    private PrintWriter err() {
        return spec.commandLine().getErr();
    }

    /** The replay cannot go on. The message says all that there is to say, so nobody needs to see a stack trace. */
    private static final class Failure extends Exception {

        private static final long serialVersionUID = 1L;

        private final int exitCode;

        Failure(String message, int exitCode, Exception cause) {
            super(message, cause);
            this.exitCode = exitCode;
        }

        /** A file that the user named cannot be used. */
        Failure(Path file, IOException cause) {
            this(file + ": " + reason(cause), CommandLine.ExitCode.USAGE, cause);
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
}
