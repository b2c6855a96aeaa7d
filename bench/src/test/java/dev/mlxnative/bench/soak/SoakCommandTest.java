package dev.mlxnative.bench.soak;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.mlxnative.Backend;
import dev.mlxnative.ForkedJvm;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.NeedsKernelCompiler;
import dev.mlxnative.internal.shim.NativeLibrary;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Tests the command {@code soak} from its arguments to its exit code. */
@NeedsKernelCompiler
class SoakCommandTest {

    private static final String HEADER = "Thread,Time,Action,Pointer,Size,Stream\n";

    /** Large, because this JVM runs other tests too and its heap grows by more than that of a soak. */
    private static final String GROWTH_LIMIT = "--growth-limit=100000";

    /** The heap of this JVM is too large to fill. */
    private static final String NO_VM_ERRORS = "--vm-errors=off";

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @TempDir
    private Path directory;

    @Test
    @Tag("faults")
    void soaksForAWhileAndFindsNothingWrong() throws IOException {
        Path json = directory.resolve("result.json");

        int exitCode = execute(
                "--operations",
                "200000",
                "--threads",
                "4",
                "--seed",
                "7",
                NO_VM_ERRORS,
                GROWTH_LIMIT,
                "--json",
                json.toString());

        assertThat(err.toString()).isEmpty();
        assertThat(exitCode).isZero();
        JsonNode result = result(json);
        for (String none : new String[] {
            "overlaps", "violations", "lostBudgetBytes", "lostBudgetBuffers", "lostBytes", "liveObjects", "errors"
        }) {
            assertThat(result.get(none).longValue()).as(none).isZero();
        }
        for (String some : new String[] {
            "operations", "hits", "nativeAllocations", "deviceFaults", "fencedReleases", "commandBuffers",
            "dispatches", "failedCommandBuffers", "inFlightReleases", "scratchLeases", "resets", "samples"
        }) {
            assertThat(result.get(some).longValue()).as(some).isPositive();
        }
        assertThat(result.get("peakFootprintBytes").longValue())
                .isBetween(1L, result.get("memoryLimitBytes").longValue());
        assertThat(result.get("seed").longValue()).isEqualTo(7);
        assertThat(out.toString())
                .contains("4 threads, seed 7, faults on, VM errors off, leak detection sampled", "| overlaps ");
    }

    @ParameterizedTest
    @ValueSource(strings = {"--checked", "--leak-detection=full", "--memory-limit-factor=0.2", "--faults=off"})
    @Tag("faults")
    void soaksWithOtherSettings(String option) throws IOException {
        Path json = directory.resolve("result.json");

        int exitCode = execute(option, NO_VM_ERRORS, "--duration", "PT0.3S", GROWTH_LIMIT, "--json", json.toString());

        assertThat(err.toString()).isEmpty();
        assertThat(exitCode).isZero();
        assertThat(result(json).get("operations").longValue()).isPositive();
    }

    @Test
    @Tag("faults")
    void endsAfterSoManyOperations() throws IOException {
        Path trace =
                write("small.csv", HEADER + "0,0,allocate,0x10,9,0\n0,0,allocate,0x20,5000,0\n0,0,free,0x10,9,0\n");
        Path json = directory.resolve("result.json");

        int exitCode = execute(
                "--operations",
                "2000",
                "--threads=1",
                NO_VM_ERRORS,
                GROWTH_LIMIT,
                "--json",
                json.toString(),
                trace.toString());

        assertThat(err.toString()).isEmpty();
        assertThat(exitCode).isZero();
        assertThat(result(json).get("operations").longValue()).isGreaterThanOrEqualTo(2_000);
    }

    @ParameterizedTest
    @CsvSource(
            quoteCharacter = '"',
            value = {
                "--threads=0, '--threads': 0",
                "--threads=many, --threads",
                "--duration=0s, '--duration': PT0S",
                "--duration=soon, 'soon' is no time such as 30s",
                "--operations=0, '--operations': 0",
                "--memory-limit-factor=0, '--memory-limit-factor': 0.0",
                "--memory-limit-factor=NaN, '--memory-limit-factor': NaN",
                "--growth-limit=-1, '--growth-limit': -1",
                "--faults=maybe, --faults",
                "--vm-errors=maybe, --vm-errors",
                "--leak-detection=some, --leak-detection",
                "--seed=x, --seed",
                "--no-such-option, --no-such-option",
            })
    void explainsWhatIsWrongWithAnArgument(String argument, String explanation) {
        assertThat(execute(argument)).isEqualTo(2);

        assertThat(err.toString()).contains(explanation).contains("Usage: soak");
        assertThat(out.toString()).isEmpty();
    }

    @Test
    void takesADurationOrANumberOfOperations() {
        assertThat(execute("--duration=1s", "--operations=1")).isEqualTo(2);

        assertThat(err.toString()).contains("mutually exclusive");
    }

    @Test
    void endsWithTheLineOfAMalformedTrace() throws IOException {
        Path bad = write("bad.csv", HEADER + "0,0,free,0x20,8,0\n");

        assertThat(execute(bad.toString())).isEqualTo(2);

        assertThat(err.toString().lines())
                .containsExactly(bad + ":2: free of 0x20, which is not live (--partial skips it)");
    }

    @Test
    void endsWhenThereIsNothingToReplay() throws IOException {
        assertThat(execute(write("empty.csv", HEADER).toString())).isEqualTo(2);

        assertThat(err.toString().lines()).containsExactly("no trace has a request");
    }

    /** Tests without the tag {@code faults} run on the library that is shipped. */
    @Test
    void asksForATestBuildOfTheLibrary() throws IOException {
        Path trace = write("small.csv", HEADER + "0,0,allocate,0x10,9,0\n");

        assertThat(execute(trace.toString())).isEqualTo(2);

        assertThat(err.toString().lines())
                .containsExactly("-Dmlx.shim.path must name a test build of the native library");
    }

    @Test
    @Tag("faults")
    @EnabledOnOs(OS.LINUX)
    void saysWhatToInstallWithoutACompiler() throws Exception {
        try (MlxDevice device = MlxDevice.open()) {
            assumeThat(device.backend()).isEqualTo(Backend.HOST);
        }
        String library = "-D" + NativeLibrary.PATH_PROPERTY + "=" + System.getProperty(NativeLibrary.PATH_PROPERTY);
        List<String> options =
                List.of("--enable-native-access=ALL-UNNAMED", library, "-Dmlx.clang=" + directory.resolve("none"));

        ForkedJvm jvm = ForkedJvm.run(options, SoakCommand.class, "--duration", "1s");

        assertThat(jvm.exitStatus()).as(jvm.out() + jvm.err()).isEqualTo(2);
        assertThat(jvm.err()).contains("clang").doesNotContain("\tat ");
    }

    @Test
    void endsBeforeTheSoakWhenTheResultCannotBeWritten() {
        Path json = directory.resolve("missing").resolve("result.json");

        assertThat(execute("--json", json.toString())).isEqualTo(2);

        assertThat(err.toString().lines()).containsExactly(json + ": no such file or directory");
    }

    @Test
    void explainsItsUsage() {
        assertThat(execute("--help")).isZero();

        assertThat(out.toString()).contains("--duration=TIME", "--checked", "TRACE", "Exit status:");
    }

    private static JsonNode result(Path json) throws IOException {
        return JsonMapper.shared().readTree(Files.readString(json));
    }

    private int execute(String... args) {
        return new SoakCommand()
                .commandLine()
                .setOut(new PrintWriter(out))
                .setErr(new PrintWriter(err))
                .execute(args);
    }

    private Path write(String name, String csv) throws IOException {
        return Files.writeString(directory.resolve(name), csv);
    }
}
