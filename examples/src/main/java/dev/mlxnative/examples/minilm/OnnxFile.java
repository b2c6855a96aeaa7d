package dev.mlxnative.examples.minilm;

import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The weights of an ONNX file: an array for each name. */
final class OnnxFile {
    private final Map<String, TensorProto> tensors = new HashMap<>();
    private final Map<String, NodeProto> producers = new HashMap<>();
    private final Map<String, NodeProto> additions = new HashMap<>();

    private OnnxFile(GraphProto graph) {
        graph.getInitializerList().forEach(tensor -> tensors.put(tensor.getName(), tensor));
        for (NodeProto node : graph.getNodeList()) {
            node.getOutputList().forEach(output -> producers.put(output, node));
            if (node.getOpType().equals("Add")) {
                node.getInputList().forEach(input -> additions.put(input, node));
            }
        }
    }

    /** Reads all of a file into the heap, as its messages are. */
    static OnnxFile read(InputStream file) throws IOException {
        // All bytes at once: a parser of the stream inflates a little at a time, and under -Xcheck:jni the JVM copies
        // its whole array each time.
        return new OnnxFile(ModelProto.parseFrom(file.readAllBytes()).getGraph());
    }

    /**
     * The numbers of an array, row by row.
     *
     * @throws IllegalArgumentException if the file has no such array of {@code float}
     */
    FloatBuffer numbers(String name, long... shape) {
        TensorProto tensor = tensors.get(name);
        if (tensor == null) {
            throw new IllegalArgumentException("the file has no weights '" + name + "'");
        }
        long[] actual = tensor.getDimsList().stream().mapToLong(Long::longValue).toArray();
        if (!Arrays.equals(actual, shape) || tensor.getDataType() != TensorProto.DataType.FLOAT.getNumber()) {
            throw new IllegalArgumentException("the weights '" + name + "' have the shape " + Arrays.toString(actual)
                    + " and the type " + tensor.getDataType() + ", not " + Arrays.toString(shape) + " and "
                    + TensorProto.DataType.FLOAT.getNumber());
        }
        return tensor.getRawData()
                .asReadOnlyByteBuffer()
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer();
    }

    /**
     * The matrix whose product a bias is added to, with a row for each input. The export has given the matrices numbers
     * for names, but the biases have names.
     *
     * @throws IllegalArgumentException if the file has no such matrix
     */
    FloatBuffer matrixBefore(String bias, long rows, long columns) {
        NodeProto addition = additions.get(bias);
        if (addition != null) {
            for (String summand : addition.getInputList()) {
                NodeProto product = producers.get(summand);
                if (product != null && product.getOpType().equals("MatMul")) {
                    List<String> factors = product.getInputList();
                    return numbers(factors.get(1), rows, columns);
                }
            }
        }
        throw new IllegalArgumentException("the file adds the bias '" + bias + "' to no matrix product");
    }
}
