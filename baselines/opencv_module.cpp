// The module libstemsmith_opencv.so: random forests of OpenCV's `ml` (L. Breiman 2001, "Random
// forests", Machine Learning 45). Every call of OpenCV is in this file.
#include <opencv2/ml.hpp>
#include <stdexcept>

#include "baselines/forest_trees.h"

namespace stemsmith {
namespace {

// Trees draw from the generator of the thread, which is left as it was.
class SeededGenerator {
 public:
  explicit SeededGenerator(std::uint64_t seed) : before_(cv::theRNG()) {
    cv::theRNG() = cv::RNG(seed == 0 ? ~std::uint64_t{0} : seed);  // it has no seed 0
  }
  ~SeededGenerator() { cv::theRNG() = before_; }
  SeededGenerator(const SeededGenerator&) = delete;
  SeededGenerator& operator=(const SeededGenerator&) = delete;

 private:
  const cv::RNG before_;
};

// OpenCV only reads what it is given here.
cv::Mat View(const float* values, std::size_t rows, std::size_t columns) {
  return {static_cast<int>(rows), static_cast<int>(columns), CV_32F, const_cast<float*>(values)};
}

std::string Grow(const GrowRequest& request) {
  const SeededGenerator generator(request.seed);
  const auto forest = cv::ml::RTrees::create();
  forest->setTermCriteria({cv::TermCriteria::COUNT, request.trees, 0});
  forest->setMaxDepth(request.depth);
  forest->setMinSampleCount(2 * request.smallest_leaf);  // of a node that is split
  forest->setActiveVarCount(request.tried_columns);
  forest->setRegressionAccuracy(0);
  forest->train(cv::ml::TrainData::create(View(request.rows, request.count, request.columns),
                                          cv::ml::ROW_SAMPLE,
                                          View(request.targets, request.count, 1)));
  cv::FileStorage text(".yml", cv::FileStorage::WRITE | cv::FileStorage::MEMORY);
  forest->write(text);
  return text.releaseAndGetString();
}

class OpenCvTrees : public Trees {
 public:
  OpenCvTrees(const std::string& text, std::size_t columns)
      : columns_(columns), forest_(cv::ml::RTrees::create()) {
    const cv::FileStorage storage(text, cv::FileStorage::READ | cv::FileStorage::MEMORY);
    forest_->read(storage.root());
    if (!forest_->isTrained() || forest_->isClassifier() ||
        forest_->getVarCount() != static_cast<int>(columns))
      throw std::runtime_error("they are no trees for these features");
  }
  void Ask(const float* rows, std::size_t count, float* out) const override {
    cv::Mat answers(static_cast<int>(count), 1, CV_32F, out);
    forest_->predict(View(rows, count, columns_), answers);
  }

 private:
  std::size_t columns_;
  cv::Ptr<cv::ml::RTrees> forest_;
};

// OpenCV's exceptions are of a type that nobody else knows.
template <typename Work>
auto InOwnWords(const Work& work) {
  try {
    return work();
  } catch (const cv::Exception& error) {
    throw std::runtime_error(error.err);
  }
}

}  // namespace
}  // namespace stemsmith

#define STEMSMITH_SHOWN extern "C" __attribute__((visibility("default")))

STEMSMITH_SHOWN std::string stemsmith_grow_trees(const stemsmith::GrowRequest& request) {
  return stemsmith::InOwnWords([&] { return stemsmith::Grow(request); });
}
STEMSMITH_SHOWN std::unique_ptr<stemsmith::Trees> stemsmith_read_trees(const std::string& text,
                                                                       std::size_t columns) {
  return stemsmith::InOwnWords([&]() -> std::unique_ptr<stemsmith::Trees> {
    return std::make_unique<stemsmith::OpenCvTrees>(text, columns);
  });
}
