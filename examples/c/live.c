/* What a plug-in does, without a sound card: live MODEL. A ramp goes through the model in blocks of
   64 frames, as fast as the clock of a sound card would ask for them. */
#define _POSIX_C_SOURCE 200112L
#include <stdio.h>
#include <stdlib.h>
#include <stemsmith/stemsmith.h>
#include <time.h>

enum { kBlock = 64 };

/* Here a sound card would call; this one has a clock of its own. */
static void WaitForBlock(long number, int rate) {
  static struct timespec start;
  struct timespec due;
  double seconds = (double)number * kBlock / rate;
  if (number == 0) clock_gettime(CLOCK_MONOTONIC, &start);
  due = start;
  due.tv_sec += (time_t)seconds;
  due.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
  if (due.tv_nsec >= 1000000000L) due.tv_sec += 1, due.tv_nsec -= 1000000000L;
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

int main(int argc, char** argv) {
  stemsmith_model* model = NULL;
  stemsmith_stream* stream = NULL;
  float in[kBlock], *stems;
  const float** in_channels;
  float** stem_channels;
  int c, channels, arrays, rate;
  long block, blocks, t;
  if (argc != 2) {
    fprintf(stderr, "usage: live MODEL\n");
    return STEMSMITH_WRONG_USE;
  }
  if (stemsmith_model_open(STEMSMITH_VERSION_NUMBER, argv[1], NULL, &model) != STEMSMITH_OK ||
      stemsmith_stream_start(model, 0, 0, NULL, &stream) != STEMSMITH_OK) {
    fprintf(stderr, "error: %s\n", stemsmith_last_error());
    stemsmith_model_close(model);
    return STEMSMITH_BAD_INPUT;
  }
  rate = stemsmith_model_sample_rate(model);
  channels = stemsmith_model_channels(model);
  arrays = channels * stemsmith_model_stem_count(model);
  in_channels = malloc(sizeof *in_channels * (size_t)channels);
  stem_channels = malloc(sizeof *stem_channels * (size_t)arrays);
  stems = malloc(sizeof *stems * (size_t)arrays * kBlock);
  for (c = 0; c < channels; ++c) in_channels[c] = in;
  for (c = 0; c < arrays; ++c) stem_channels[c] = stems + c * kBlock;

  blocks = (long)(stemsmith_stream_latency(stream) + rate) / kBlock;
  for (block = 0; block < blocks; ++block) {
    WaitForBlock(block, rate);
    for (t = 0; t < kBlock; ++t) in[t] = (float)(block * kBlock + t) / 1e7f;
    stemsmith_stream_push(stream, in_channels, kBlock);
    stemsmith_stream_pull(stream, stem_channels, kBlock);
  }
  /* Of the last frame pulled: what the ramp was one latency before. */
  printf("latency %ld frames, %lu frames late, last sample %.1f\n",
         (long)stemsmith_stream_latency(stream), (unsigned long)stemsmith_stream_underruns(stream),
         stems[kBlock - 1] * 1e7);
  stemsmith_stream_stop(stream);
  stemsmith_model_close(model);
  free(in_channels);
  free(stem_channels);
  free(stems);
  return 0;
}
