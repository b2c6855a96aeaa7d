package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.GZIPOutputStream;
import net.razorvine.pickle.Unpickler;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests memory snapshots of PyTorch. The files of {@code snapshots.py} are what Python writes. */
class SnapshotTraceTest {

    private static final ReadOptions PARTIAL = new ReadOptions(true, null);

    @TempDir
    private Path directory;

    @ParameterizedTest
    @ValueSource(strings = {"snapshot.json", "snapshot-2.pickle", "snapshot-4.pickle", "snapshot-5.pickle"})
    void readsWhatPythonWrites(String name) throws IOException {
        byte[] bytes = resource(name);

        for (byte[] content : List.of(bytes, gzip(bytes))) {
            Trace trace = TraceReader.read(Files.write(directory.resolve("any name"), content));

            assertThat(trace.name()).isEqualTo("any name");
            assertThat(events(trace))
                    .containsExactly("allocate 0 1000", "allocate 1 2000", "free 0", "allocate 0 300", "free 1");
            assertThat(trace.failures()).isEqualTo(1);
            assertThat(trace.peakLiveBytes()).isEqualTo(3_000);
            assertThat(trace.finalLiveCount()).isEqualTo(1);
            assertThat(trace.gaps()).isEqualTo(Gaps.NONE);
            assertThat(trace.remarks()).isEmpty();
        }
    }

    @Test
    void endsAnAllocationWhenItsFreeIsComplete() throws IOException {
        Trace trace = read(json("""
                [[{"action":"alloc","addr":16,"size":100}, {"action":"free_requested","addr":16,"size":100},
                  {"action":"alloc","addr":32,"size":50}, {"action":"free_completed","addr":16,"size":100},
                  {"action":"free_requested","addr":32,"size":50}, {"action":"alloc","addr":32,"size":70}]]"""));

        assertThat(events(trace))
                .containsExactly("allocate 0 100", "allocate 1 50", "free 0", "free 1", "allocate 1 70");
        assertThat(trace.peakLiveBytes()).isEqualTo(150);
    }

    @Test
    void measuresHowLongTheProgramRan() throws IOException {
        Trace timed = read(json("""
                [[{"action":"segment_alloc","addr":16,"size":100,"time_us":1764200000000000},
                  {"action":"alloc","addr":16,"size":100,"time_us":1764200000000007},
                  {"action":"free_completed","addr":16,"size":100,"time_us":1764200000000031}]]"""));
        Trace untimed = read(json("""
                [[{"action":"alloc","addr":16,"size":100}, {"action":"free_completed","addr":16,"size":100}]]"""));

        assertThat(timed.durationMicros()).isEqualTo(31);
        assertThat(untimed.durationMicros()).isZero();
    }

    @Test
    void isPartialIfItLacksEarlierAllocations() throws IOException {
        String json = json("""
                [[{"action":"free_requested","addr":16,"size":100}, {"action":"free_completed","addr":16,"size":100},
                  {"action":"alloc","addr":16,"size":50}]]""");

        assertRefused(json, "device_traces[0][1]", "free of 0x10, which is not live (--partial skips it)");
        Trace trace = TraceReader.read(directory.resolve("snapshot"), PARTIAL);
        assertThat(events(trace)).containsExactly("allocate 0 50");
        assertThat(trace.gaps()).isEqualTo(new Gaps(1, 0, 0, 0));
    }

    @Test
    void replaysOneOfSeveralDevices() throws IOException {
        String json = json("""
                [[], [{"action":"alloc","addr":16,"size":100}], [{"action":"alloc","addr":16,"size":7}]]""");

        Trace first = read(json);
        assertThat(first.name()).isEqualTo("snapshot device 1");
        assertThat(events(first)).containsExactly("allocate 0 100");
        assertThat(first.remarks())
                .containsExactly("device 1 of devices 1, 2 is replayed (--snapshot-device chooses another)");

        Trace chosen = TraceReader.read(directory.resolve("snapshot"), new ReadOptions(false, 2));
        assertThat(chosen.name()).isEqualTo("snapshot device 2");
        assertThat(events(chosen)).containsExactly("allocate 0 7");
        assertThat(chosen.remarks()).isEmpty();

        assertThatThrownBy(() -> TraceReader.read(directory.resolve("snapshot"), new ReadOptions(false, 0)))
                .isInstanceOf(MalformedTraceException.class)
                .hasMessageEndingWith(":device_traces: device 0 has no entries, but device 1, 2 has");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            [[],[]]                                   | device_traces       | no entries: the program did not call torch.cuda.memory._record_memory_history() first
            [[{"addr":16,"size":8}]]                  | device_traces[0][0] | no action
            [[{"action":"realloc","addr":16}]]        | device_traces[0][0] | unknown action: realloc
            [[],[{"action":"alloc","addr":16}]]       | device_traces[1][0] | bad number in field size: missing
            [[{"action":"alloc","addr":"0x10","size":8}]]  | device_traces[0][0] | bad number in field addr: not a number
            [[{"action":"alloc","addr":16,"size":8.5}]]    | device_traces[0][0] | bad number in field size: 8.5
            [[{"action":"alloc","addr":16,"size":9223372036854775808}]] | device_traces[0][0] | bad number in field size: 9223372036854775808
            [[{"action":"alloc","addr":16,"size":-8}]]     | device_traces[0][0] | negative size: -8
            [[{"action":"alloc","addr":16,"size":0}]]      | device_traces[0][0] | size 0
            [[{"action":"alloc","addr":16,"size":8},{"action":"alloc","addr":16,"size":8}]] | device_traces[0][1] | allocate of 0x10, which is live since entry 0 (--partial frees it first)
            [[{"action":"alloc","addr":16,"size":8},{"action":"free_completed","addr":16,"size":9}]] | device_traces[0][1] | free of 0x10 with size 9, but entry 0 allocates 8
            [{}]                                      | 1                   | device_traces is not a list of lists of entries
            [[1]]                                     | 1                   | device_traces is not a list of lists of entries
            null                                      | 1                   | device_traces is not a list of lists of entries
            """)
    void refusesMalformedEntries(String deviceTraces, String place, String reason) throws IOException {
        assertRefused(json(deviceTraces), place, reason);
    }

    @ParameterizedTest
    @ValueSource(strings = {"{}", "[]", "[1,2]", "{\"segments\":[]}"})
    void refusesOtherJson(String json) throws IOException {
        assertRefused(json, "1", "no device_traces: this is not a memory snapshot of PyTorch");
    }

    @Test
    void refusesJsonThatBreaksOffOrGoesOn() throws IOException {
        String json = json("[[{\"action\":\"alloc\",\"addr\":16,\"size\":8}]]");

        for (int length = 1; length < json.length(); length++) {
            String start = json.substring(0, length);
            assertThatThrownBy(() -> read(start)).isInstanceOf(MalformedTraceException.class);
        }
        assertRefused(json + json, "1", "more than one value");
    }

    @Test
    void refusesGzipThatLacksItsEnd() throws IOException {
        for (String name : List.of("snapshot.json", "snapshot-4.pickle")) {
            byte[] whole = gzip(resource(name));
            for (int missing : List.of(1, whole.length / 2)) {
                Path file = Files.write(directory.resolve("snapshot"), Arrays.copyOf(whole, whole.length - missing));
                assertThatThrownBy(() -> TraceReader.read(file, PARTIAL))
                        .isInstanceOf(MalformedTraceException.class)
                        .hasMessageEndingWith(": truncated gzip");
            }
        }
    }

    @Test
    void refusesPicklesThatBreakOffOrGoOn() throws IOException {
        byte[] pickle = resource("snapshot-4.pickle");

        for (int length = 2; length < pickle.length; length++) {
            Path file = Files.write(directory.resolve("snapshot"), Arrays.copyOf(pickle, length));
            assertThatThrownBy(() -> TraceReader.read(file, PARTIAL))
                    .isInstanceOf(MalformedTraceException.class)
                    .hasMessageContaining("snapshot:pickle: bad pickle: ");
        }
        Path file = Files.write(directory.resolve("snapshot"), Arrays.copyOf(pickle, pickle.length + 3));
        assertThatThrownBy(() -> TraceReader.read(file)).hasMessageEndingWith(": 3 bytes after the end of the pickle");
    }

    /** Each pickle calls {@code module.name()} in another way, or prepares to. */
    @ParameterizedTest
    @CsvSource({
        "8002 636d6f64756c650a6e616d650a 29 52 2e, 63",
        "8004 8c066d6f64756c65 8c046e616d65 93 29 52 2e, 93",
        "8002 7d 7d 62 2e, 62",
        "8002 28 696d6f64756c650a6e616d650a 2e, 69",
        "8002 28 4e 6f 2e, 6f",
        "8002 4e 29 81 2e, 81",
        "8002 82 01 2e, 82",
        "8002 4e 51 2e, 51",
        "8005 97 2e, 97"
    })
    void runsNoInstructionThatCreatesObjects(String hex, String refused) throws IOException {
        var calls = new AtomicInteger();
        Unpickler.registerConstructor("module", "name", args -> calls.incrementAndGet());
        Path file = Files.write(directory.resolve("snapshot"), HexFormat.of().parseHex(hex.replace(" ", "")));

        assertThatThrownBy(() -> TraceReader.read(file))
                .isInstanceOf(MalformedTraceException.class)
                .hasMessage(
                        "%s:pickle: bad pickle: instruction 0x%s, which a memory snapshot does not need",
                        file, refused);
        assertThat(calls).hasValue(0);
    }

    @ParameterizedTest
    @CsvSource({
        "8002 58 ffffff7f 2e, a string of 2147483647 bytes",
        "8002 58 ffffffff 2e, a string of 4294967295 bytes",
        "8004 8d ffffffffffffff7f 2e, a string of 9223372036854775807 bytes",
        "8002 7d 5d 71 00 68 00 4e 73 2e, a key that is neither a string nor a number",
        "8002 7d 28 5d 4e 75 2e, a key that is neither a string nor a number",
        "8002 2e, bad pickle",
        "8002 7d 2e, no device_traces"
    })
    void refusesPicklesThatAreNoSnapshot(String hex, String reason) throws IOException {
        Path file = Files.write(directory.resolve("snapshot"), HexFormat.of().parseHex(hex.replace(" ", "")));

        assertThatThrownBy(() -> TraceReader.read(file))
                .isInstanceOf(MalformedTraceException.class)
                .hasMessageStartingWith(file + ":pickle: ")
                .hasMessageContaining(reason);
    }

    private static String json(String deviceTraces) {
        return "{\"segments\":[{\"address\":1}],\"device_traces\":%s,\"allocator_settings\":{\"x\":NaN}}"
                .formatted(deviceTraces);
    }

    private void assertRefused(String json, String place, String reason) {
        assertThatThrownBy(() -> read(json))
                .isInstanceOf(MalformedTraceException.class)
                .hasMessage(directory.resolve("snapshot") + ":" + place + ": " + reason);
    }

    private Trace read(String json) throws IOException {
        return TraceReader.read(Files.writeString(directory.resolve("snapshot"), json));
    }

    private static List<String> events(Trace trace) {
        var events = new ArrayList<String>();
        for (int event = 0; event < trace.events(); event++) {
            events.add(
                    trace.isAllocation(event)
                            ? "allocate %d %d".formatted(trace.slot(event), trace.size(event))
                            : "free " + trace.slot(event));
        }
        return events;
    }

    private static byte[] resource(String name) throws IOException {
        try (InputStream in = SnapshotTraceTest.class.getResourceAsStream(name)) {
            assertThat(in).as(name).isNotNull();
            return in.readAllBytes();
        }
    }

    private static byte[] gzip(byte[] bytes) throws IOException {
        var compressed = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(compressed)) {
            gzip.write(bytes);
        }
        return compressed.toByteArray();
    }
}
