/* Stems of a song: separate_c MODEL SONG FOLDER. */
#include <stdio.h>
#include <stemsmith/stemsmith.h>

static int Show(void* user, int64_t done, int64_t total, int rate) {
  (void)user;
  fprintf(stderr, "\r%d of %d s", (int)(done / rate), (int)(total / rate));
  return 0; /* anything else would stop it */
}

int main(int argc, char** argv) {
  stemsmith_model* model = NULL;
  stemsmith_options* options = stemsmith_options_create();
  stemsmith_code code;
  if (argc != 4) {
    fprintf(stderr, "usage: separate_c MODEL SONG FOLDER\n");
    return STEMSMITH_WRONG_USE;
  }
  stemsmith_options_set_progress(options, Show, NULL);
  code = stemsmith_model_open(STEMSMITH_VERSION_NUMBER, argv[1], options, &model);
  if (code == STEMSMITH_OK) code = stemsmith_separate_file(model, argv[2], argv[3], options);
  if (code != STEMSMITH_OK) fprintf(stderr, "\nerror: %s\n", stemsmith_last_error());
  stemsmith_model_close(model);
  stemsmith_options_destroy(options);
  return code;
}
