package dev.mlxnative.bench.soak;

import dev.mlxnative.CompilationException;
import dev.mlxnative.LeakDetection;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxException;
import dev.mlxnative.bench.cli.CommandFailure;
import dev.mlxnative.bench.cli.Program;
import dev.mlxnative.bench.cli.Progress;
import dev.mlxnative.bench.cli.ResultFile;
import dev.mlxnative.bench.replay.CommonArguments;
import dev.mlxnative.bench.replay.Trace;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Path;
import java.time.Duration;
import java.time.format.DateTimeParseException;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** The command {@code soak}: its options, the file that it writes, and its exit code. */
@Command(
        name = "soak",
        description =
                "Replays recorded allocation traces from several threads on one pool, under low limits and faults.",
        sortOptions = false,
        exitCodeListHeading = "Exit status:%n",
        exitCodeList = {
            "0:all is well",
            "1:something was lost, overlapped, grew or was above its limit; standard error says what",
            "2:wrong usage, a trace that is malformed or cannot be read, or no compiler of kernels"
        })
public final class SoakCommand extends Program {

    private static final Duration DEFAULT_DURATION = Duration.ofMinutes(2);

    private static final long MEBIBYTE = 1 << 20;

    @ArgGroup
    private Length length = new Length();

    /** The end of the soak, either by time or by operations. */
    static final class Length {

        @Option(
                names = "--duration",
                paramLabel = "TIME",
                converter = Durations.class,
                description = "How long it goes on, such as 30s, 2m or PT2M; 2 minutes unless given.")
        private @Nullable Duration duration;

        @Option(
                names = "--operations",
                paramLabel = "N",
                description = "Go on until this many leases have begun or ended, instead.")
        private @Nullable Long operations;
    }

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "How many share the pool, every other one virtual; two for each core unless given.")
    private int threads = 2 * Runtime.getRuntime().availableProcessors();

    @Option(
            names = "--memory-limit-factor",
            paramLabel = "X",
            description = "The memory limit over the sum of the traces' peaks; ${DEFAULT-VALUE} unless given.")
    private double memoryLimitFactor = 1.2;

    @Option(
            names = "--faults",
            paramLabel = "on|off",
            description = "Whether the device fails now and then; on unless given.")
    private Switch faults = Switch.ON;

    enum Switch {
        ON,
        OFF
    }

    @Option(
            names = "--vm-errors",
            paramLabel = "on|off",
            description = "Whether stacks overflow and the heap is full now and then; on unless given.")
    private Switch vmErrors = Switch.ON;

    @Option(names = "--checked", description = "Soak checked pools, which are far slower.")
    private boolean checked;

    @Option(
            names = "--leak-detection",
            paramLabel = "LEVEL",
            description = "The pools' leak detection: ${COMPLETION-CANDIDATES}; ${DEFAULT-VALUE} unless given.")
    private LeakDetection leakDetection = LeakDetection.SAMPLED;

    @Option(
            names = "--seed",
            paramLabel = "N",
            description = "Where the random choices begin; by default each soak has another.")
    private long seed = new SplittableRandom().nextLong();

    @Option(
            names = "--growth-limit",
            paramLabel = "MIB",
            description = "How much the heap and the process may grow; ${DEFAULT-VALUE} unless given.")
    private long growthLimit = 16;

    @Option(names = "--json", paramLabel = "FILE", description = "Write the result to this file too, as a JSON object.")
    private @Nullable Path json;

    @Mixin
    private CommonArguments common = new CommonArguments();

    public static void main(String[] args) {
        System.exit(new SoakCommand().commandLine().execute(args));
    }

    @Override
    public Integer call() throws CommandFailure {
        SoakSettings settings = settings();
        List<Trace> traces =
                common.traces().stream().filter(trace -> trace.requests() > 0).toList();
        if (traces.isEmpty()) {
            throw new CommandFailure("no trace has a request", CommandLine.ExitCode.USAGE, null);
        }
        try (ResultFile file = json == null ? null : ResultFile.open(json)) {
            SoakResult result = soak(traces, settings);
            if (file != null) {
                file.write(List.of(result));
            }
            return report(result);
        }
    }

    private SoakSettings settings() {
        require(threads >= 1, "--threads", threads);
        require(memoryLimitFactor > 0 && memoryLimitFactor <= 1000, "--memory-limit-factor", memoryLimitFactor);
        require(growthLimit >= 0 && growthLimit <= Long.MAX_VALUE / MEBIBYTE, "--growth-limit", growthLimit);
        Duration duration = length.duration;
        Long operations = length.operations;
        if (duration == null) {
            duration = operations == null ? DEFAULT_DURATION : Duration.ofDays(1000);
        }
        require(duration.isPositive() && duration.toDays() <= 1000, "--duration", duration);
        require(operations == null || operations >= 1, "--operations", operations);
        return new SoakSettings(
                threads,
                duration,
                operations == null ? Long.MAX_VALUE : operations,
                memoryLimitFactor,
                faults == Switch.ON,
                vmErrors == Switch.ON,
                checked,
                leakDetection,
                seed,
                growthLimit * MEBIBYTE);
    }

    private SoakResult soak(List<Trace> traces, SoakSettings settings) throws CommandFailure {
        long total =
                settings.operations() == Long.MAX_VALUE ? settings.duration().toMillis() : settings.operations();
        try (var progress = Progress.of("soak", total)) {
            requireFaultsLibrary();
            requireCompiler();
            var soak = new Soak(traces, settings);
            SoakResult result = soak.run(progress);
            soak.notes().forEach(err()::println);
            soak.errors().all().stream().limit(1).forEach(error -> error.printStackTrace(err()));
            return result;
        }
    }

    private static void requireFaultsLibrary() throws CommandFailure {
        MlxDevice.open().close(); // loads the library
        if (SymbolLookup.loaderLookup().find("mlxshim_faults_clear").isEmpty()) {
            throw new CommandFailure(
                    "-Dmlx.shim.path must name a test build of the native library", CommandLine.ExitCode.USAGE, null);
        }
    }

    private static void requireCompiler() throws CommandFailure {
        try (MlxDevice device = MlxDevice.open()) {
            new StampKernels(device).close();
        } catch (CompilationException e) {
            throw e;
        } catch (MlxException e) {
            throw new CommandFailure(String.valueOf(e.getMessage()), CommandLine.ExitCode.USAGE, e);
        }
    }

    /**
     * Prints the table, and then the failures.
     *
     * @return the exit code, which is 1 if there is a failure
     */
    int report(SoakResult result) {
        out().printf(
                        "%s, %d threads, seed %d, faults %s, VM errors %s%s, leak detection %s%n",
                        result.device(),
                        result.threads(),
                        result.seed(),
                        result.faults() ? "on" : "off",
                        result.vmErrors() ? "on" : "off",
                        result.checked() ? ", checked" : "",
                        result.leakDetection());
        out().println(SoakTable.of(result));
        out().flush();
        result.failures().forEach(err()::println);
        err().flush();
        return result.failures().isEmpty() ? CommandLine.ExitCode.OK : CommandLine.ExitCode.SOFTWARE;
    }

    /** Converts durations in ISO 8601, with or without the prefix {@code PT}. */
    static final class Durations implements ITypeConverter<Duration> {
        @Override
        public Duration convert(String value) {
            String time = value.toUpperCase(Locale.ROOT);
            try {
                return Duration.parse(time.startsWith("P") ? time : "PT" + time);
            } catch (DateTimeParseException e) {
                throw new TypeConversionException("'" + value + "' is no time such as 30s, 2m or PT2M");
            }
        }
    }
}
