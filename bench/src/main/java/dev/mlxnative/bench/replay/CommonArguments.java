package dev.mlxnative.bench.replay;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The arguments that all commands have: the traces to replay, and help. */
public final class CommonArguments {

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

    /** Reads the traces that the user named, or all of the default directory. */
    public List<Trace> traces() throws CommandFailure {
        return TraceFiles.read(files);
    }
}
