package dev.mlxnative.bench.replay;

import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxException;
import java.io.IOException;
import java.io.PrintWriter;
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
            description = "Traces to replay, gzip or plain; by default all in " + TraceFiles.DEFAULT_DIRECTORY + ".")
    private List<Path> files = new ArrayList<>();

    public static void main(String[] args) {
        System.exit(new CommandLine(new ReplayCommand()).execute(args));
    }

    @Override
    public Integer call() {
        try {
            List<Trace> traces = TraceFiles.read(files);
            List<ReplayResult> results = json == null ? replay(traces) : replay(traces, json);
            return report(results);
        } catch (CommandFailure e) {
            err().println(e.getMessage());
            err().flush();
            return e.exitCode();
        }
    }

    private static List<ReplayResult> replay(List<Trace> traces, Path json) throws CommandFailure {
        try (var file = ResultFile.open(json)) {
            List<ReplayResult> results = replay(traces);
            file.write(results);
            return results;
        } catch (IOException e) {
            throw new CommandFailure(json, e);
        }
    }

    private static List<ReplayResult> replay(List<Trace> traces) throws CommandFailure {
        long total = traces.stream().mapToLong(Replayer::progressOf).sum();
        var results = new ArrayList<ReplayResult>();
        try (var device = openDevice();
                var progress = Progress.of("replay", total)) {
            var replayer = new Replayer(device);
            for (Trace trace : traces) {
                try {
                    results.add(replayer.replay(trace, progress));
                } catch (MlxException | IllegalArgumentException e) { // no memory left; no buffer can be as large
                    throw new CommandFailure(trace.name() + ": " + e.getMessage(), CommandLine.ExitCode.SOFTWARE, e);
                }
            }
        }
        return results;
    }

    private static MlxDevice openDevice() throws CommandFailure {
        try {
            return MlxDevice.open();
        } catch (MlxException e) {
            throw new CommandFailure(String.valueOf(e.getMessage()), CommandLine.ExitCode.SOFTWARE, e);
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
}
