package dev.mlxnative.bench.replay;

import java.io.IOException;
import java.nio.file.Path;

/** Reads traces from files: CSV in the format of RMM's logs, gzip or plain. The first bytes tell which. */
public final class TraceReader {

    private TraceReader() {}

    /**
     * Reads the whole of {@code file}, which must not be partial.
     *
     * @throws MalformedTraceException if a line of the file is malformed
     * @throws IOException if the file cannot be read
     */
    public static Trace read(Path file) throws IOException {
        return read(file, ReadOptions.DEFAULT);
    }

    static Trace read(Path file, ReadOptions options) throws IOException {
        try (var bytes = TraceBytes.open(file)) {
            Packing packing = Packing.of(bytes);
            if (packing != null) {
                throw new MalformedTraceException(file, 1, packing.advice());
            }
            var text = TraceText.decode(bytes);
            return CsvTrace.read(file, bytes, text, options);
        }
    }
}
