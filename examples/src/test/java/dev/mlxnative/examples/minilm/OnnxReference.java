package dev.mlxnative.examples.minilm;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.IntStream;

/** The same model, run by ONNX Runtime: one text at a time. The mean of the tokens is computed here. */
final class OnnxReference implements AutoCloseable {
    private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
    private final OrtSession session;

    OnnxReference() throws IOException, OrtException {
        try (InputStream file = OnnxReference.class.getResourceAsStream("/all-minilm-l6-v2.onnx");
                OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            options.setIntraOpNumThreads(2);
            session = environment.createSession(file.readAllBytes(), options);
        }
    }

    /** The embedding of a text whose tokens are given. */
    float[] embed(int[] tokens) throws OrtException {
        long[][] ids = {Arrays.stream(tokens).asLongStream().toArray()};
        long[][] mask = {IntStream.range(0, tokens.length).mapToLong(i -> 1).toArray()};
        long[][] types = {new long[tokens.length]};
        try (OnnxTensor idTensor = OnnxTensor.createTensor(environment, ids);
                OnnxTensor maskTensor = OnnxTensor.createTensor(environment, mask);
                OnnxTensor typeTensor = OnnxTensor.createTensor(environment, types);
                OrtSession.Result result = session.run(
                        Map.of("input_ids", idTensor, "attention_mask", maskTensor, "token_type_ids", typeTensor))) {
            float[][][] values = (float[][][]) result.get(0).getValue();
            return meanOfLengthOne(values[0]);
        }
    }

    private static float[] meanOfLengthOne(float[][] rows) {
        double[] sums = new double[rows[0].length];
        for (float[] row : rows) {
            for (int i = 0; i < row.length; i++) {
                sums[i] += row[i];
            }
        }
        double length = Math.sqrt(Arrays.stream(sums).map(sum -> sum * sum).sum());
        float[] mean = new float[sums.length];
        for (int i = 0; i < mean.length; i++) {
            mean[i] = (float) (sums[i] / length);
        }
        return mean;
    }

    @Override
    public void close() throws OrtException {
        session.close();
    }
}
