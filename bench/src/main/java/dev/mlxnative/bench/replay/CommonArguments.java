package dev.mlxnative.bench.replay;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The arguments of commands that replay traces: which, and how they are read. */
public final class CommonArguments {

    @Spec(Spec.Target.MIXEE)
    private CommandSpec command = CommandSpec.create();

    @Parameters(
            paramLabel = "TRACE",
            arity = "0..*",
            description = "Traces to replay, gzip or plain: logs in the format of RMM, and memory snapshots of PyTorch;"
                    + " by default all in " + TraceFiles.DEFAULT_DIRECTORY + ".")
    private List<Path> files = new ArrayList<>();

    @Option(
            names = GapPolicy.OPTION,
            description = "Accept logs that begin or end in the middle of a process, or were appended to each other."
                    + " The output says what is skipped.")
    private boolean partial;

    @Option(
            names = SnapshotTrace.OPTION,
            paramLabel = "N",
            description = "The device of a memory snapshot of PyTorch; by default the first with entries.")
    private @Nullable Integer snapshotDevice;

    /**
     * Reads the traces that the user named, or all of the default directory. Prints what the traces leave out of their
     * files.
     */
    public List<Trace> traces() throws CommandFailure {
        List<Trace> traces = TraceFiles.read(files, new ReadOptions(partial, snapshotDevice));
        PrintWriter out = command.commandLine().getOut();
        for (Trace trace : traces) {
            trace.remarks().forEach(remark -> out.println(trace.name() + ": " + remark));
        }
        out.flush();
        return traces;
    }
}
