package dev.mlxnative.bench.replay;

import java.io.IOException;
import java.nio.file.Path;

/**
 * Reads traces from files: CSV in the format of RMM's logs, and memory snapshots of PyTorch in JSON and as pickles,
 * each gzip or plain. The first bytes tell the format.
 */
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
            if (PickledSnapshot.begins(bytes.peek(2))) {
                return SnapshotTrace.of(file, PickledSnapshot.read(file, bytes), options);
            }
            var text = TraceText.decode(bytes);
            if (JsonSnapshot.begins(text.first())) {
                return SnapshotTrace.of(file, JsonSnapshot.read(file, bytes, text), options);
            }
            return CsvTrace.read(file, bytes, text, options);
        }
    }
}
