package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.bench.cli.CommandFailure;
import dev.mlxnative.bench.cli.Program;
import dev.mlxnative.bench.generate.GenerateCommand;
import dev.mlxnative.bench.generate.GeneratedTrace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

class CommonArgumentsTest {

    @TempDir
    private Path folder;

    /** A program that only reads its traces. */
    @Command
    private static final class Reader extends Program {

        @Mixin
        private CommonArguments common = new CommonArguments();

        private List<Trace> traces = List.of();

        @Override
        public Integer call() throws CommandFailure {
            traces = common.traces();
            return 0;
        }
    }

    private static List<Trace> read(String... args) {
        var reader = new Reader();
        assertThat(reader.commandLine().execute(args)).isZero();
        return reader.traces;
    }

    @Test
    void generatesTracesInPlaceOfTheRecordedOnes() {
        assertThat(read("--generated"))
                .extracting(Trace::name)
                .containsExactlyElementsOf(Stream.of(GeneratedTrace.values())
                        .map(GeneratedTrace::label)
                        .toList());
    }

    @Test
    void generatesTracesBesidesThoseThatTheUserNames() throws IOException {
        Path file = folder.resolve("named.csv");
        Files.writeString(file, "Thread,Time,Action,Pointer,Size,Stream\n0,0,allocate,0x10,8,0\n");

        assertThat(read("--generated", file.toString()))
                .hasSize(1 + GeneratedTrace.values().length)
                .extracting(Trace::name)
                .startsWith("named.csv");
    }

    @Test
    void generatesTheTracesOfTheFilesThatGenerateWrites() throws IOException {
        assertThat(new GenerateCommand().commandLine().execute(folder.toString()))
                .isZero();
        for (Trace generated : read("--generated")) {
            Trace written = TraceReader.read(folder.resolve(generated.name() + ".csv.gz"));
            assertThat(events(generated)).isEqualTo(events(written));
            assertThat(generated.durationMicros())
                    .isEqualTo(written.durationMicros())
                    .isPositive();
        }
    }

    private static List<List<Long>> events(Trace trace) {
        return Stream.iterate(0, event -> event < trace.events(), event -> event + 1)
                .map(event -> List.of((long) trace.slot(event), trace.size(event)))
                .toList();
    }
}
