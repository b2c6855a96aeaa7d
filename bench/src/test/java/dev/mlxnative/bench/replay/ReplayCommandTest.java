package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.api.parallel.Resources;
import tools.jackson.databind.json.JsonMapper;

/** Tests the command {@code replay} from its arguments to its exit code, on the real device and pool. */
@ResourceLock(Resources.SYSTEM_PROPERTIES)
class ReplayCommandTest {

    private static final String HEADER = "Thread,Time,Action,Pointer,Size,Stream\n";
    private static final String TRACES_PROPERTY = "replay.traces";

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @TempDir
    private Path directory;

    @AfterEach
    void restoreTheDefaultTraces() {
        System.clearProperty(TRACES_PROPERTY);
    }

    @Test
    void replaysATraceBothWaysAndReportsIt() throws IOException {
        Path trace = write("small.csv", smallTrace());
        Path json = directory.resolve("out").resolve("results.jsonl");
        Files.createDirectory(json.getParent());

        assertThat(execute("--json", json.toString(), trace.toString())).isZero();

        assertThat(err.toString()).isEmpty();
        assertThat(out.toString()).contains("| small.csv |").contains(" 1,001 |");
        var result = JsonMapper.shared().readTree(Files.readString(json));
        assertThat(result.propertyNames())
                .containsExactly(
                        "trace",
                        "device",
                        "policy",
                        "requests",
                        "nativeAllocations",
                        "hits",
                        "peakLiveBytes",
                        "offlineBytes",
                        "peakFootprintBytes",
                        "nativeMicros",
                        "durationMicros",
                        "directRequests",
                        "directNanosPerRequest",
                        "pooledNanosPerRequest",
                        "overlaps",
                        "leaks",
                        "gaps");
        assertThat(result.get("trace").stringValue()).isEqualTo("small.csv");
        assertThat(result.get("device").stringValue()).matches("(host|metal): .+");
        assertThat(result.get("policy").stringValue()).isEqualTo("power-of-two");
        assertThat(result.get("requests").longValue()).isEqualTo(1_001);
        assertThat(result.get("hits").longValue()
                        + result.get("nativeAllocations").longValue())
                .isEqualTo(1_001);
        assertThat(result.get("nativeAllocations").longValue()).isEqualTo(3);
        assertThat(result.get("peakLiveBytes").longValue()).isEqualTo(1 + 5_000 + 70_001);
        assertThat(result.get("offlineBytes").longValue()).isEqualTo(256 + 5_120 + 70_144);
        assertThat(result.get("nativeMicros").longValue()).isEqualTo(3 * 20);
        assertThat(result.get("durationMicros").longValue()).isEqualTo(4);
        assertThat(result.get("peakFootprintBytes").longValue())
                .isGreaterThanOrEqualTo(result.get("peakLiveBytes").longValue());
        assertThat(result.get("directRequests").longValue()).isEqualTo(1_001);
        assertThat(result.get("directNanosPerRequest").doubleValue()).isPositive();
        assertThat(result.get("pooledNanosPerRequest").doubleValue()).isPositive();
        assertThat(result.get("overlaps").longValue()).isZero();
        assertThat(result.get("leaks").longValue()).isZero();
    }

    @Test
    void saysHowMuchOfALongTraceItSampled() throws IOException {
        Path trace = write("long.csv", HEADER + "7,1,allocate,0x10,64,0\n7,1,free,0x10,64,0\n".repeat(2_049));
        String remark = "long.csv: straight on the device: a sample of 2,048 of the 2,049 requests";
        Path json = directory.resolve("results.jsonl");

        assertThat(execute("--policy", "all", "--json", json.toString(), trace.toString()))
                .isZero();
        assertThat(out.toString().lines().filter(line -> !line.startsWith("|") && !line.startsWith("+")))
                .containsExactly(remark);
        assertThat(directRequests(json)).containsExactly(2_048L, 2_048L, 2_048L);

        assertThat(execute("--whole", "--json", json.toString(), trace.toString()))
                .isZero();
        assertThat(out.toString()).containsOnlyOnce("sample");
        assertThat(directRequests(json)).containsExactly(2_049L);
    }

    private static List<Long> directRequests(Path json) throws IOException {
        return Files.readAllLines(json).stream()
                .map(line ->
                        JsonMapper.shared().readTree(line).get("directRequests").longValue())
                .toList();
    }

    @Test
    void replaysEveryTraceOfTheDirectoryByNameWhenNoneIsGiven() throws IOException {
        for (String name : List.of("e", "b", "f", "a", "d", "c")) {
            write(name + ".csv", HEADER);
        }
        write(".hidden", "not a trace");
        System.setProperty(TRACES_PROPERTY, directory.toString());

        assertThat(execute()).isZero();

        assertThat(out.toString().lines().filter(line -> line.contains(".csv")).map(line -> line.substring(0, 7)))
                .containsExactly("| a.csv", "| b.csv", "| c.csv", "| d.csv", "| e.csv", "| f.csv");
    }

    @Test
    void replaysATraceWithoutRequests() throws IOException {
        Path trace = write("empty.csv", HEADER);
        Path json = directory.resolve("results.jsonl");

        assertThat(execute("--json", json.toString(), trace.toString())).isZero();

        assertThat(out.toString()).contains("empty.csv");
        var result = JsonMapper.shared().readTree(Files.readString(json));
        assertThat(result.get("requests").longValue()).isZero();
        assertThat(result.get("directNanosPerRequest").doubleValue()).isZero();
        assertThat(result.get("pooledNanosPerRequest").doubleValue()).isZero();
    }

    @Test
    void endsWithTheLineOfAMalformedTraceBeforeAnythingIsReplayed() throws IOException {
        Path good = write("good.csv", smallTrace());
        Path bad = write("bad.csv", HEADER + "0,0,allocate,0x10,8,0\n0,0,free,0x20,8,0\n");
        Path json = directory.resolve("results.jsonl");

        assertThat(execute("--json", json.toString(), good.toString(), bad.toString()))
                .isEqualTo(2);

        assertThat(err.toString().lines())
                .containsExactly(bad + ":3: free of 0x20, which is not live (--partial skips it)");
        assertThat(out.toString()).isEmpty();
        assertThat(json).doesNotExist();
    }

    @Test
    void saysWhatItSkipsOfAPartialLog() throws IOException {
        Path trace = write("late.csv", HEADER + "0,0,free,0x20,8,0\n0,1,allocate,0x10,8,0\n");
        Path json = directory.resolve("results.jsonl");

        assertThat(execute(trace.toString())).isEqualTo(2);
        assertThat(execute("--partial", "--json", json.toString(), trace.toString()))
                .isZero();

        assertThat(out.toString().lines())
                .startsWith("late.csv: partial log: skipped 1 free of memory that the log does not allocate");
        var gaps = JsonMapper.shared().readTree(Files.readString(json)).get("gaps");
        assertThat(gaps.propertyNames()).containsExactly("unknownFrees", "missingFrees", "tornEnds", "appendedLogs");
        assertThat(gaps.get("unknownFrees").longValue()).isEqualTo(1);
    }

    @Test
    void replaysTheChosenDeviceOfASnapshot() throws IOException {
        Path snapshot = write("snapshot.json", """
                {"device_traces": [[{"action": "alloc", "addr": 16, "size": 100}],
                                   [{"action": "alloc", "addr": 16, "size": 4096}]]}""");
        Path json = directory.resolve("results.jsonl");

        assertThat(execute("--snapshot-device", "1", "--json", json.toString(), snapshot.toString()))
                .isZero();

        var result = JsonMapper.shared().readTree(Files.readString(json));
        assertThat(result.get("trace").stringValue()).isEqualTo("snapshot.json device 1");
        assertThat(result.get("peakLiveBytes").longValue()).isEqualTo(4_096);
    }

    @Test
    void endsWithTheNameOfAFileThatIsMissing() {
        Path missing = directory.resolve("missing.csv");

        assertThat(execute(missing.toString())).isEqualTo(2);

        assertThat(err.toString().lines()).containsExactly(missing + ": no such file or directory");
    }

    @Test
    void endsWithTheNameOfAFileThatIsADirectory() {
        assertThat(execute(directory.toString())).isEqualTo(2);

        assertThat(err.toString().lines()).singleElement().asString().startsWith(directory + ": ");
    }

    @Test
    void endsWhenThereIsNothingToReplay() {
        System.setProperty(TRACES_PROPERTY, directory.toString());

        assertThat(execute()).isEqualTo(2);

        assertThat(err.toString().lines()).containsExactly(directory + ": no traces in it");
    }

    @Test
    void endsBeforeTheReplayWhenTheResultsCannotBeWritten() throws IOException {
        Path trace = write("small.csv", smallTrace());
        Path json = directory.resolve("missing").resolve("results.jsonl");

        assertThat(execute("--json", json.toString(), trace.toString())).isEqualTo(2);

        assertThat(err.toString().lines()).containsExactly(json + ": no such file or directory");
        assertThat(out.toString()).isEmpty();
    }

    @Test
    void endsWithoutResultsWhenTheDeviceRefuses() throws IOException {
        Path trace = write("huge.csv", HEADER + "0,0,allocate,0x10,4611686018427387904,0\n");
        Path json = directory.resolve("results.jsonl");

        assertThat(execute("--json", json.toString(), trace.toString())).isEqualTo(1);

        assertThat(err.toString().lines())
                .singleElement()
                .asString()
                .startsWith("huge.csv: ")
                .contains("4611686018427387904");
        assertThat(directory).isDirectoryNotContaining(file -> !file.equals(trace));
    }

    @Test
    void printsTheNamesOfTracesThatShowedAFaultAfterTheTable() {
        var command = new ReplayCommand();
        command.commandLine().setOut(new PrintWriter(out)).setErr(new PrintWriter(err));

        assertThat(command.report(List.of(result("sound", 0, 0), result("overlapping", 2, 0), result("leaky", 0, 3))))
                .isEqualTo(1);

        assertThat(err.toString().lines())
                .containsExactly("overlapping: 2 overlaps, 0 leaks", "leaky: 0 overlaps, 3 leaks");
        assertThat(out.toString()).contains("sound", "overlapping", "leaky");
    }

    @Test
    void explainsItsUsage() {
        assertThat(execute("--no-such-option")).isEqualTo(2);
        assertThat(err.toString()).contains("--no-such-option").contains("Usage: replay");

        assertThat(execute("--help")).isZero();
        assertThat(out.toString()).contains("--json=FILE").contains("TRACE").contains("Exit status:");
    }

    private static ReplayResult result(String trace, long overlaps, long leaks) {
        return new ReplayResult(
                trace,
                "host: h",
                "power-of-two",
                9,
                1,
                8,
                1024,
                1024,
                2048,
                20,
                1_000,
                9,
                350,
                20,
                overlaps,
                leaks,
                Gaps.NONE);
    }

    private int execute(String... args) {
        return new ReplayCommand()
                .commandLine()
                .setOut(new PrintWriter(out))
                .setErr(new PrintWriter(err))
                .execute(args);
    }

    private Path write(String name, String csv) throws IOException {
        return Files.writeString(directory.resolve(name), csv);
    }

    /** A trace with one buffer that stays live, and 500 pairs of buffers that do not. */
    private static String smallTrace() {
        var csv = new StringBuilder(HEADER).append("7,12:00:00.000000,allocate,0x1000,1,0x0\n");
        for (int i = 0; i < 500; i++) {
            csv.append("7,12:00:00.000001,allocate,0x2000,5000,0x0\n")
                    .append("7,12:00:00.000002,allocate,0x3000,70001,0x0\n")
                    .append("7,12:00:00.000003,free,0x2000,5000,0x0\n")
                    .append("7,12:00:00.000004,free,0x3000,70001,0x0\n");
        }
        return csv.toString();
    }
}
