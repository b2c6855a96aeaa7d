#pragma once

float scale(float x, float factor) {
    return x * factor;
}
