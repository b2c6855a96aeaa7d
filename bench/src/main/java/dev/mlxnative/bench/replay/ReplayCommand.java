package dev.mlxnative.bench.replay;

import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxException;
import dev.mlxnative.bench.cli.CommandFailure;
import dev.mlxnative.bench.cli.Program;
import dev.mlxnative.bench.cli.Progress;
import dev.mlxnative.bench.cli.ResultFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The command {@code replay}: its options, the files that it writes, and its exit code. */
@Command(
        name = "replay",
        description = "Replays recorded allocation traces, straight on the device and through pools.",
        exitCodeListHeading = "Exit status:%n",
        exitCodeList = {
            "0:all is well",
            "1:buffers overlapped or leaked, or the device failed",
            "2:wrong usage, or a trace that is malformed or cannot be read"
        })
public final class ReplayCommand extends Program {

    private static final String ALL = "all";

    @Option(
            names = "--json",
            paramLabel = "FILE",
            description = "Write the results to this file too, one JSON object a line.")
    private @Nullable Path json;

    @Option(
            names = "--report",
            paramLabel = "FILE",
            description = "Write a page of charts to this file, for a browser.")
    private @Nullable Path report;

    @Option(
            names = "--policy",
            paramLabel = "POLICY",
            split = ",",
            description = "How the pool is set: power-of-two, power-of-two-cache-limit, compact, or all of them;"
                    + " by default power-of-two.")
    private List<String> policies = List.of(Policy.POWER_OF_TWO.label());

    @Option(
            names = "--whole",
            description = "Run whole traces straight on the device, which takes minutes; by default a sample of"
                    + " each long trace. Pools always get whole traces.")
    private boolean whole;

    @Mixin
    private CommonArguments common = new CommonArguments();

    public static void main(String[] args) {
        System.exit(new ReplayCommand().commandLine().execute(args));
    }

    @Override
    public Integer call() throws CommandFailure {
        return report(replay(common.traces()));
    }

    private List<ReplayResult> replay(List<Trace> traces) throws CommandFailure {
        try (var jsonFile = json == null ? null : ResultFile.open(json);
                var reportFile = report == null ? null : ResultFile.open(report)) {
            var page = new Report();
            List<ReplayResult> results = replay(traces, reportFile == null ? null : page);
            if (jsonFile != null) {
                jsonFile.write(results);
            }
            if (reportFile != null) {
                page.write(reportFile);
            }
            return results;
        }
    }

    private List<ReplayResult> replay(List<Trace> traces, @Nullable Report page) throws CommandFailure {
        var results = new ArrayList<ReplayResult>();
        List<Policy> chosen = chosenPolicies();
        try (var device = MlxDevice.open()) {
            var replayer = new Replayer(device, chosen, !whole);
            long total = traces.stream().mapToLong(replayer::progressOf).sum();
            try (var progress = Progress.of("replay", total)) {
                for (Trace trace : traces) {
                    List<ReplayResult> ofTrace = replay(replayer, trace, progress);
                    results.addAll(ofTrace);
                    if (page != null) {
                        page.add(trace, ofTrace, replayer.timelines(trace));
                    }
                }
            }
        }
        return results;
    }

    private static List<ReplayResult> replay(Replayer replayer, Trace trace, Progress progress) throws CommandFailure {
        try {
            return replayer.replay(trace, progress);
        } catch (MlxException | IllegalArgumentException e) { // no memory is left, or no buffer can be as large
            throw new CommandFailure(trace.name() + ": " + e.getMessage(), CommandLine.ExitCode.SOFTWARE, e);
        }
    }

    /**
     * The policies that the user chose.
     *
     * @throws CommandLine.ParameterException if the user named an unknown policy
     */
    private List<Policy> chosenPolicies() {
        return policies.stream().flatMap(this::named).distinct().toList();
    }

    private Stream<Policy> named(String name) {
        List<Policy> named = Stream.of(Policy.values())
                .filter(policy -> ALL.equals(name) || policy.label().equals(name))
                .toList();
        if (named.isEmpty()) {
            throw wrongUsage("there is no policy '" + name + "'");
        }
        return named.stream();
    }

    /**
     * Prints which traces were sampled, the tables, and then the traces that showed a fault of the library.
     *
     * @return the exit code, which is 1 if a trace showed a fault
     */
    int report(List<ReplayResult> results) {
        results.stream()
                .flatMap(result -> result.sampleRemark().stream().map(remark -> result.trace() + ": " + remark))
                .distinct() // each policy has a result
                .forEach(out()::println);
        out().println(ResultTable.of(results));
        out().println(PolicySummary.table(PolicySummary.of(results)));
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
}
