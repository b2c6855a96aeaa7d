package dev.mlxnative.examples.minilm;

import static dev.mlxnative.examples.minilm.MiniLm.DIMENSIONS;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * The weights of the model, in leases of a pool that end with {@link #close}.
 *
 * <p>They are copied once, when they are read. {@link dev.mlxnative.MlxDevice#map} copies nothing, but the ONNX file is
 * compressed in a jar: the parser inflates it to the heap, and the leases are filled from there. A lease is needed for
 * half precision anyway, and for the matrices of queries, keys and values, which become one.
 */
final class Weights implements AutoCloseable {
    static final int LAYERS = 6;
    static final int HEADS = 12;
    static final int INTERMEDIATE = 1536;
    static final int VOCABULARY = 30522;
    static final int POSITIONS = 512;
    private static final String FILE = "/all-minilm-l6-v2.onnx";

    private final MlxBufferPool pool;
    private final DType type;
    private final List<MlxBuffer> leases = new ArrayList<>();

    final MlxBuffer vocabulary;
    final MlxBuffer positions;
    final Norm embeddingNorm;
    final List<Layer> layers;

    /** A matrix with a row for each input, and a bias. */
    record Linear(MlxBuffer matrix, MlxBuffer bias, int inputs, int outputs) {}

    /** A layer norm. */
    record Norm(MlxBuffer scale, MlxBuffer shift) {}

    /** A layer of the encoder: attention and the two products of its feed-forward part. */
    record Layer(
            Linear queriesKeysValues, Linear attentionOutput, Norm attentionNorm, Linear up, Linear down, Norm norm) {}

    private Weights(OnnxFile file, MlxBufferPool pool, DType type) {
        this.pool = pool;
        this.type = type;
        try {
            this.vocabulary = lease(file.numbers("embeddings.word_embeddings.weight", VOCABULARY, DIMENSIONS));
            this.positions = lease(positions(file));
            this.embeddingNorm = norm(file, "embeddings.LayerNorm");
            List<Layer> read = new ArrayList<>();
            for (int i = 0; i < LAYERS; i++) {
                read.add(layer(file, "encoder.layer." + i));
            }
            this.layers = List.copyOf(read);
        } catch (Throwable e) {
            close();
            throw e;
        }
    }

    /** Reads the file on the class path. */
    static Weights read(MlxBufferPool pool, DType type) throws IOException {
        try (InputStream file = Weights.class.getResourceAsStream(FILE)) {
            if (file == null) {
                throw new IOException("the class path has no file " + FILE);
            }
            return new Weights(OnnxFile.read(file), pool, type);
        }
    }

    /** The positions, with the row of the table of types that each token of a single text has. */
    private static FloatBuffer positions(OnnxFile file) {
        FloatBuffer positions = file.numbers("embeddings.position_embeddings.weight", POSITIONS, DIMENSIONS);
        FloatBuffer types = file.numbers("embeddings.token_type_embeddings.weight", 2, DIMENSIONS);
        FloatBuffer sums = FloatBuffer.allocate(positions.remaining());
        for (int i = 0; i < sums.capacity(); i++) {
            sums.put(i, positions.get(i) + types.get(i % DIMENSIONS));
        }
        return sums;
    }

    private Layer layer(OnnxFile file, String name) {
        return new Layer(
                queriesKeysValues(file, name + ".attention.self."),
                linear(file, name + ".attention.output.dense", DIMENSIONS, DIMENSIONS),
                norm(file, name + ".attention.output.LayerNorm"),
                linear(file, name + ".intermediate.dense", DIMENSIONS, INTERMEDIATE),
                linear(file, name + ".output.dense", INTERMEDIATE, DIMENSIONS),
                norm(file, name + ".output.LayerNorm"));
    }

    /** Puts the three matrices side by side: one product does the work of three, with three times the threads. */
    private Linear queriesKeysValues(OnnxFile file, String name) {
        int columns = 3 * DIMENSIONS;
        FloatBuffer matrix = FloatBuffer.allocate(DIMENSIONS * columns);
        FloatBuffer bias = FloatBuffer.allocate(columns);
        List<String> parts = List.of("query.bias", "key.bias", "value.bias");
        for (int part = 0; part < parts.size(); part++) {
            FloatBuffer from = file.matrixBefore(name + parts.get(part), DIMENSIONS, DIMENSIONS);
            for (int row = 0; row < DIMENSIONS; row++) {
                matrix.put(row * columns + part * DIMENSIONS, from, row * DIMENSIONS, DIMENSIONS);
            }
            bias.put(part * DIMENSIONS, file.numbers(name + parts.get(part), DIMENSIONS), 0, DIMENSIONS);
        }
        return new Linear(lease(matrix), lease(bias), DIMENSIONS, columns);
    }

    private Linear linear(OnnxFile file, String name, int inputs, int outputs) {
        MlxBuffer matrix = lease(file.matrixBefore(name + ".bias", inputs, outputs));
        return new Linear(matrix, lease(file.numbers(name + ".bias", outputs)), inputs, outputs);
    }

    private Norm norm(OnnxFile file, String name) {
        return new Norm(
                lease(file.numbers(name + ".weight", DIMENSIONS)), lease(file.numbers(name + ".bias", DIMENSIONS)));
    }

    private MlxBuffer lease(FloatBuffer numbers) {
        MlxBuffer lease = pool.alloc(type, numbers.remaining());
        leases.add(lease);
        MemorySegment memory = lease.segment();
        if (type == DType.F32) {
            memory.asByteBuffer().order(ByteOrder.nativeOrder()).asFloatBuffer().put(numbers);
        } else {
            for (int i = 0; i < numbers.capacity(); i++) {
                memory.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(numbers.get(i)));
            }
        }
        return lease;
    }

    /** The bytes of all weights. */
    long bytes() {
        return leases.stream().mapToLong(MlxBuffer::byteLength).sum();
    }

    /** Ends the leases; the GPU's memory is parked until its work is done. Closing it again does nothing. */
    @Override
    public void close() {
        leases.forEach(MlxBuffer::close);
    }
}
