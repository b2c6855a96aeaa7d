package dev.mlxnative.bench.generate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.bench.replay.Trace;
import dev.mlxnative.bench.replay.TraceReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Tests the command {@code generate}, and the traces in its files. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GenerateCommandTest {

    private static final long KIB = 1 << 10;
    private static final long MIB = 1 << 20;

    private final StringWriter err = new StringWriter();

    private Path folder = Path.of("");

    @BeforeAll
    void generate(@TempDir Path directory) {
        folder = directory;
        assertThat(execute(folder.resolve("traces"))).isZero();
        assertThat(err.toString()).isEmpty();
    }

    private int execute(Path target) {
        return new GenerateCommand().commandLine().setErr(new PrintWriter(err)).execute(target.toString());
    }

    private Trace read(GeneratedTrace trace) throws IOException {
        return TraceReader.read(folder.resolve("traces").resolve(trace.label() + ".csv.gz"));
    }

    @ParameterizedTest
    @EnumSource
    void aTraceHasThousandsOfRequestsAndFreesEachBuffer(GeneratedTrace generated) throws IOException {
        Trace trace = read(generated);
        assertThat(trace.requests()).isBetween(5_000, 42_000);
        assertThat(trace.events()).isEqualTo(2 * trace.requests());
        assertThat(trace.peakLiveBytes()).isBetween(MIB, 640 * MIB);
    }

    @ParameterizedTest
    @EnumSource
    void eventsAreInTheOrderOfTime(GeneratedTrace generated) {
        assertThat(generated.events())
                .extracting(Event::micros)
                .isSorted()
                .last()
                .satisfies(micros -> assertThat(micros).isGreaterThan(500_000));
    }

    @ParameterizedTest
    @EnumSource(names = {"TWO_THREADS", "TWO_ENCODERS"})
    void twoThreadsRunAtTheSameTime(GeneratedTrace generated) {
        List<Event> events = generated.events();
        int middle = events.size() / 2;
        assertThat(events.subList(middle, middle + 100))
                .extracting(Event::thread)
                .contains(0, 1);
        assertThat(events.getLast().micros() - lastOf(events, 0))
                .isLessThan(events.getLast().micros() / 10);
        assertThat(events.getLast().micros() - lastOf(events, 1))
                .isLessThan(events.getLast().micros() / 10);
    }

    private static long lastOf(List<Event> events, int thread) {
        return events.stream()
                .filter(event -> event.thread() == thread)
                .mapToLong(Event::micros)
                .max()
                .orElseThrow();
    }

    /** The sizes of many batches differ, so a cache of exact sizes would serve few of them. */
    @ParameterizedTest
    @EnumSource(names = {"ENCODER_FUSED", "ENCODER_SCORES", "MIXED_ENCODERS"})
    void anEncoderHasManySizes(GeneratedTrace generated) throws IOException {
        Trace trace = read(generated);
        long sizes = allocations(trace).distinct().count();
        assertThat(sizes).isGreaterThan(trace.requests() / 100);
    }

    @Test
    void imagesAreLarge() throws IOException {
        Trace trace = read(GeneratedTrace.IMAGES_LARGE);
        assertThat(allocations(trace).max().orElseThrow()).isBetween(64 * MIB, 256 * MIB);
        assertThat(allocations(trace).filter(size -> size >= 64 * KIB).count()).isGreaterThan(trace.requests() / 2);
    }

    private static LongStream allocations(Trace trace) {
        long[] sizes = new long[trace.events()];
        Arrays.setAll(sizes, trace::size);
        return Arrays.stream(sizes).filter(size -> size > 0);
    }

    @Test
    void theFilesAreTheSameEachTime() throws IOException {
        assertThat(execute(folder.resolve("again"))).isZero();
        for (GeneratedTrace trace : GeneratedTrace.values()) {
            String name = trace.label() + ".csv.gz";
            assertThat(folder.resolve("again").resolve(name))
                    .hasSameBinaryContentAs(folder.resolve("traces").resolve(name));
        }
    }

    @Test
    void endsWithTheNameOfAFileThatCannotBeWritten() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "no folder");
        assertThat(execute(file)).isEqualTo(2);
        assertThat(err.toString()).startsWith(file.toString());
        err.getBuffer().setLength(0);
    }
}
