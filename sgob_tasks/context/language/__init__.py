"""A language model of pictures: how probable a depicted thing is, given title, other things in the picture and date.

Trained on records (titles with what the works depict), without any network. ``training.train_language_model`` makes a
model, ``model.LanguageModel`` ranks candidate labels and says what each kind of evidence adds.
"""
