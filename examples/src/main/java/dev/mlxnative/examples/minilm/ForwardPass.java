package dev.mlxnative.examples.minilm;

import static dev.mlxnative.examples.minilm.MiniLm.DIMENSIONS;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxCommandBuffer;
import dev.mlxnative.MlxKernel;
import dev.mlxnative.MlxSize;
import dev.mlxnative.examples.minilm.Weights.Layer;
import dev.mlxnative.examples.minilm.Weights.Linear;
import dev.mlxnative.examples.minilm.Weights.Norm;

/**
 * The commands of a batch: the layers of the model, from the numbers of tokens to the embeddings.
 *
 * <p>Values between kernels are scratch memory of the command buffer. Each is closed after its last command, so that a
 * later value gets the same memory: a batch holds the values of half a layer, not of six.
 */
final class ForwardPass {
    private final MlxCommandBuffer commands;
    private final Kernels kernels;
    private final DType type;
    private final int rows;
    private final MlxBuffer sentences;
    private final MlxBuffer starts;
    private long scratchBytes;
    private long peakScratchBytes;

    /**
     * Begins a pass.
     *
     * @param rows the number of tokens, at least 1
     * @param sentences the sentence of each token
     * @param starts where each sentence starts, and at last the number of tokens
     */
    ForwardPass(
            MlxCommandBuffer commands, Kernels kernels, DType type, int rows, MlxBuffer sentences, MlxBuffer starts) {
        this.commands = commands;
        this.kernels = kernels;
        this.type = type;
        this.rows = rows;
        this.sentences = sentences;
        this.starts = starts;
    }

    /** Encodes all commands, without committing them. */
    void encode(Weights weights, MlxBuffer tokens, MlxBuffer embeddings) {
        MlxBuffer values = embed(weights, tokens);
        for (Layer layer : weights.layers) {
            values = layer(layer, values);
        }
        long count = embeddings.shape()[0];
        commands.kernel(kernels.pool)
                .buffer(0, embeddings)
                .buffer(1, values)
                .buffer(2, starts)
                .dispatchThreadgroups(MlxSize.of(count), MlxSize.of(Kernels.LANES));
        close(values);
    }

    /** The most bytes of scratch memory at once. */
    long peakScratchBytes() {
        return peakScratchBytes;
    }

    private MlxBuffer embed(Weights weights, MlxBuffer tokens) {
        MlxBuffer values = scratch(DIMENSIONS);
        commands.kernel(kernels.embed)
                .buffer(0, values)
                .buffer(1, tokens)
                .buffer(2, sentences)
                .buffer(3, starts)
                .buffer(4, weights.vocabulary)
                .buffer(5, weights.positions)
                .buffer(6, weights.embeddingNorm.scale())
                .buffer(7, weights.embeddingNorm.shift())
                .dispatchThreadgroups(MlxSize.of(rows), MlxSize.of(Kernels.LANES));
        return values;
    }

    /** Ends the values that it is given. */
    private MlxBuffer layer(Layer layer, MlxBuffer given) {
        MlxBuffer projections = linear(kernels.linear, layer.queriesKeysValues(), given);
        MlxBuffer attended = attention(projections);
        close(projections);
        MlxBuffer output = linear(kernels.linear, layer.attentionOutput(), attended);
        close(attended);
        MlxBuffer values = addNorm(layer.attentionNorm(), given, output);

        MlxBuffer wide = linear(kernels.linearGelu, layer.up(), values);
        MlxBuffer narrow = linear(kernels.linear, layer.down(), wide);
        close(wide);
        return addNorm(layer.norm(), values, narrow);
    }

    private MlxBuffer linear(MlxKernel kernel, Linear weights, MlxBuffer inputs) {
        MlxBuffer outputs = scratch(weights.outputs());
        commands.kernel(kernel)
                .buffer(0, outputs)
                .buffer(1, inputs)
                .buffer(2, weights.matrix())
                .buffer(3, weights.bias())
                .constant(4, rows)
                .constant(5, weights.inputs())
                .constant(6, weights.outputs())
                .dispatchThreads(
                        MlxSize.of(weights.outputs() / 4, (rows + Kernels.LINEAR_ROWS - 1) / Kernels.LINEAR_ROWS),
                        MlxSize.of(Kernels.LANES, 4));
        return outputs;
    }

    private MlxBuffer attention(MlxBuffer projections) {
        MlxBuffer attended = scratch(DIMENSIONS);
        commands.kernel(kernels.attention)
                .buffer(0, attended)
                .buffer(1, projections)
                .buffer(2, sentences)
                .buffer(3, starts)
                .dispatchThreads(MlxSize.of(rows, Weights.HEADS), MlxSize.of(Kernels.LANES, 1));
        return attended;
    }

    /** Ends both of the values that it adds. */
    private MlxBuffer addNorm(Norm norm, MlxBuffer given, MlxBuffer computed) {
        MlxBuffer values = scratch(DIMENSIONS);
        commands.kernel(kernels.addNorm)
                .buffer(0, values)
                .buffer(1, given)
                .buffer(2, computed)
                .buffer(3, norm.scale())
                .buffer(4, norm.shift())
                .dispatchThreadgroups(MlxSize.of(rows), MlxSize.of(Kernels.LANES));
        close(given);
        close(computed);
        return values;
    }

    private MlxBuffer scratch(long columns) {
        MlxBuffer values = commands.scratch(type, rows, columns);
        scratchBytes += values.byteLength();
        peakScratchBytes = Math.max(peakScratchBytes, scratchBytes);
        return values;
    }

    private void close(MlxBuffer values) {
        scratchBytes -= values.byteLength();
        values.close();
    }
}
